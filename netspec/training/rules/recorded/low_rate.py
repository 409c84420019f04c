"""LowRate: steps that are too short to get anywhere in the iterations there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.curve import thirds
from netspec.training.rules.base import Example
from netspec.training.rules.recorded.base import HistoryRule, Past, recorded

HIGH = 0.5
"""A loss is still high above this part of the loss at the beginning: one that fell by half has found its way."""
FEW = 0.1
"""Part of a gradient below which clipping is the cause that steps are short."""
LED = 0.05
"""Part of what the steps could lower a loss by that it must have fallen by at least, where their gradients led on."""
STRAIGHT = 0.6
"""A fall has not slowed down where its second half is this part of its first half: a straight line has 1 here, a loss
that is near its level almost 0.
"""


class LowRateWarning(Caution):
    """The learning rate was too low: the loss has hardly fallen, and all steps together are too short for more."""

    code = "NS841"


_SLOW = [1.4 - 0.004 * i for i in range(20)]


class LowRate(HistoryRule):
    """A loss that is still high, and either falls along a straight line, or was never within reach of the steps."""

    finding: ClassVar[type[NetspecError]] = LowRateWarning
    wrong: ClassVar[Example] = recorded({"loss": _SLOW, "gradient": [1.0] * 20, "rate": [1e-4] * 20})
    fine: ClassVar[Example] = recorded({"loss": [0.3 + 1.1 * 0.7**i for i in range(20)], "gradient": [1.0] * 20})

    def look(self, past: Past) -> Iterator[NetspecError]:
        """A warning with how far the loss fell, and how far the steps could have taken it."""
        found = why(past)
        if found is None or past.level is None:
            return
        spec = past.job.spec
        fell = f"from {past.loss.values[0]:.4g} to {past.level:.4g}"
        message = f"the rate of {past.rate:.3g} is too low: the loss went {fell}, and {found}"
        help = f"try base_lr={spec.base_lr * 10:.3g}, or `netspec lr-find`, which looks for a rate"
        if past.clipped < FEW:
            help = f"clip_gradients leaves {past.clipped:.2g} of a gradient: raise its limit, or leave it out"
        if spec.iter_size > 1:
            help += f"; iter_size {spec.iter_size} gives means over its batches: base_lr need not be divided by it"
        yield LowRateWarning(message, help=help)


def why(past: Past) -> str | None:
    """What shows that the steps were too short; None where nothing does."""
    start, level, reach = past.highest_start, past.level, past.reach
    if start is None or level is None or not HIGH * start < level <= 1.1 * start:
        return None
    if past.stuck or past.wild:
        return None
    if reach is not None and past.gradient is not None and reach < start and _led(past, reach, level):
        steps = f"{past.history.iteration:,} steps along gradients of norm {past.gradient:.3g}"
        steps += "" if past.clipped > 0.99 else f", clipped to {past.gradient * past.clipped:.3g},"
        return f"{steps} can lower it by about {reach:.2g} at most"
    if past.falls and past.keeps_rate and _is_straight(past) and (reach is None or reach < 3 * start):
        return "it still falls as fast as at the beginning"
    return None


def _led(past: Past, reach: float, level: float) -> bool:
    """Whether the loss fell as steps along its gradient make it fall; those of noise alone lead nowhere."""
    fell = past.loss.values[0] - level
    return past.falls or fell >= LED * reach or reach < past.noise


def _is_straight(past: Past) -> bool:
    levels = thirds(past.loss)
    if levels is None:
        return False
    first, second, third = levels
    return first > second > third and second - third >= STRAIGHT * (first - second)
