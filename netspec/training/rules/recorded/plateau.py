"""Plateau: half of a training or more in which a high loss did not move."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.curve import part, trend
from netspec.training.rules.base import Example
from netspec.training.rules.recorded import high_rate, low_rate, unlearnt_test
from netspec.training.rules.recorded.at_chance import NEAR
from netspec.training.rules.recorded.base import FEW, HistoryRule, Past, recorded

STILL = 1.5
"""Trend of a loss that stays, in standard deviations: by chance alone it is larger once in seven times."""


class PlateauWarning(Caution):
    """The loss fell, and then stayed where it was for half of the training, at a rate that was kept."""

    code = "NS846"


class Plateau(HistoryRule):
    """A second half without a trend, at more than half of the loss at the beginning, which is not that of a guess."""

    finding: ClassVar[type[NetspecError]] = PlateauWarning
    wrong: ClassVar[Example] = recorded({"loss": [1.4, 1.2, 1.1, *[1.01, 1.0, 0.99, 1.0] * 6]})
    fine: ClassVar[Example] = recorded({"loss": [1.4, 1.2, 1.1, *[0.9 + 0.1 * 0.8**i for i in range(24)]]})

    def look(self, past: Past) -> Iterator[NetspecError]:
        """A warning with the iteration since which the loss stays."""
        half, start, level = part(past.loss, 0.5, 1), past.start, past.level
        if start is None or level is None or len(half) < FEW or not past.keeps_rate:
            return
        if not low_rate.HIGH * start < level < (1 - NEAR) * start or abs(trend(half)) > STILL:
            return
        if past.stuck or past.wild or low_rate.why(past) or high_rate.why(past) or unlearnt_test.why(past):
            return  # which is reason enough
        spread = past.noise
        since = _since(past, level, spread)
        message = (
            f"a plateau: since iteration {since:,} the loss stays at {median(half):.3g} (jumping by {spread:.2g}), "
            f"{100 * level / start:.0f} % of the {start:.4g} at the beginning"
        )
        help = "reduce the rate there, by `lr_policy: {type: step, ...}` or `plateau`; or the net is too small for more"
        yield PlateauWarning(message, help=help)


def _since(past: Past, level: float, spread: float) -> int:
    """The first iteration at which the loss is no more than two deviations above its level at the end."""
    pairs = zip(past.loss.iterations, past.loss.values, strict=True)
    return next(iteration for iteration, value in pairs if value <= level + 2 * spread)
