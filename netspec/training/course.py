"""Course: what the rate of an iteration depends on besides the iteration."""

from __future__ import annotations

from dataclasses import dataclass

from netspec.core.counts import Pace
from netspec.training.scorelog import Tests


@dataclass(frozen=True)
class Course:
    """The base rate, the length of the training, and the tests so far: (iteration, score by name), in order.

    `last` is how many iterations are trained; None where data say it that are not open.
    """

    base_lr: float
    last: int | None
    pace: Pace
    tests: Tests = ()

    @property
    def end(self) -> int:
        """How many iterations are trained. Raises ValueError where that is not known."""
        if self.last is None:
            raise ValueError("the end of this training is not known before its data are open")
        return self.last
