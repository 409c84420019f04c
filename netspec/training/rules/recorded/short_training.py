"""ShortTraining: a training that ended while it still learned as fast as before."""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.curve import thirds
from netspec.training.rules.base import Example
from netspec.training.rules.recorded import low_rate
from netspec.training.rules.recorded.base import SURE, HistoryRule, Past, recorded
from netspec.training.rules.recorded.low_rate import STRAIGHT

DEVIATION_OF_MEDIANS = 1.77
"""Standard deviation of the difference of two medians, times the root of their numbers, over that of a value."""
MUCH = 0.1
"""Part of the loss by which it still fell from the second to the last third: going on would bring about as much again.
"""


class ShortTrainingWarning(Caution):
    """A training ended while its loss still fell as fast as before: it was too short."""

    code = "NS845"


class ShortTraining(HistoryRule):
    """A loss that falls without slowing down, at a rate that is kept to the end."""

    finding: ClassVar[type[NetspecError]] = ShortTrainingWarning
    wrong: ClassVar[Example] = recorded({"loss": [1.4 - 0.05 * i for i in range(20)]})
    fine: ClassVar[Example] = recorded({"loss": [0.4 + 0.8**i for i in range(20)]})

    def look(self, past: Past) -> Iterator[NetspecError]:
        """A warning with the loss of each third."""
        levels, last = thirds(past.loss), past.history.last
        ended = last is None or past.history.iteration >= last
        if past.level is None or levels is None or not (ended and past.falls and past.keeps_rate) or low_rate.why(past):
            return
        first, second, third = levels
        chance = SURE * DEVIATION_OF_MEDIANS * past.noise / sqrt(max(1, len(past.loss) // 3))
        if first <= second or second - third < max(STRAIGHT * (first - second), MUCH * second, chance):
            return
        if not _still_gains(past):
            return
        message = (
            f"the training ended too early: the loss still fell as fast as before, with medians of {first:.4g}, "
            f"{second:.4g} and {third:.4g} over its thirds"
        )
        help = f"go on with --resume max_iter={2 * past.history.iteration}, or try a higher base_lr"
        yield ShortTrainingWarning(message, help=help)


def _still_gains(past: Past) -> bool:
    """Whether the loss of the tests was lowest at the last one, or nothing is known of it."""
    tests = past.test_loss
    return tests is None or not tests or tests.values[-1] <= min(tests.values)
