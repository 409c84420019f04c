"""inverse_time: base_lr / (1 + iter / timescale).

The rate is half of base_lr at the timescale, a third at twice the timescale: in the long run it falls like 1 / iter.
It is `inv` with power 1, whose gamma is one over the timescale.
Source: Bottou 2012, Stochastic Gradient Descent Tricks; Robbins & Monro 1951 for why.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.counts import PositiveCount
from netspec.core.model import Aka
from netspec.training.course import Course
from netspec.training.policies.base import Policy


class InverseTime(Policy):
    """The rate falls like one over the iteration."""

    timescale: Annotated[PositiveCount, Aka("decay_steps", "length")] = Field(
        description="When half of base_lr is reached."
    )

    def rate(self, iter: int, course: Course) -> float:
        """base_lr / (1 + iter / timescale)."""
        return course.base_lr / (1 + iter / self.timescale.iterations(course.pace))
