"""HighRate: a loss that grew, jumped above that of a guess, or was no longer finite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.curve import part
from netspec.training.rules.base import Example
from netspec.training.rules.recorded.base import SURE, HistoryRule, Past, recorded

GROWN, BURST = 1.1, 2.0
"""So many times the loss of a guess is too much in the second half of a training, and anywhere in it: some batches are
harder than others, and first steps may overshoot.
"""
NEAR = 0.97
"""A loss above this part of that of a guess shows nothing that was learned."""
OFTEN = 0.1
"""Share of the losses shown from which that is no accident, of a few hard batches."""
_BROKEN = re.compile(r"error\[NS50[46]\]: (?:iteration (\d+): )?")


class HighRateWarning(Caution):
    """The learning rate was too high: the loss grew, jumped, or was no longer finite."""

    code = "NS840"


class HighRate(HistoryRule):
    """A training that broke off at a number that is not finite, or whose loss ended above the one it began with."""

    finding: ClassVar[type[NetspecError]] = HighRateWarning
    wrong: ClassVar[Example] = recorded({"loss": [1.4, 1.2, 0.9, 2.6, 0.8, 4.1, 1.0, 3.9, 0.7, 5.2]})
    fine: ClassVar[Example] = recorded({"loss": [1.4, 1.2, 0.9, 1.0, 0.8, 0.6, 0.9, 0.5, 0.7, 0.5]})

    def look(self, past: Past) -> Iterator[NetspecError]:
        """A warning with the rate, and the losses that speak against it."""
        found, train = why(past), past.job.spec.data.train
        if found is None or past.wild or past.small_norms:
            return
        if train is not None and train.shuffle is False:
            text = f"the samples come in the order of their files, or the rate of {past.rate:.3g} is too high: {found}"
            help = (
                "where they are sorted by class, each batch makes the net forget the others: leave out shuffle: false"
            )
            yield HighRateWarning(text, help=f"{help}; else {_lower(past)}")
        else:
            yield HighRateWarning(f"the rate of {past.rate:.3g} is too high: {found}", help=_lower(past))


def why(past: Past) -> str | None:
    """What shows that the steps were too long; None where nothing does."""
    return _broken_off(past) or _grown(past) or _jumping(past)


def _broken_off(past: Past) -> str | None:
    error = past.history.error or ""
    met = _BROKEN.match(error)
    if met is None or "(Input)" in error:  # data that are not finite are none of the rate's fault
        return None
    at = met[1] or f"{past.history.iteration}"
    return f"in iteration {at} a number was no longer finite, which ended the training"


def _grown(past: Past) -> str | None:
    start, first = past.highest_start, past.loss.values[0] if past.loss else 0.0
    if past.start is None or start is None or past.level is None:
        return None
    if past.level > GROWN * start + max(past.noise, _doubt(past)):
        return f"the loss has grown from {first:.4g} to {past.level:.4g}, the median of the last quarter"
    most = max(part(past.loss, 0, 1))
    if most > 2 * BURST * start and past.level > NEAR * past.start:
        return f"the loss went from {first:.4g} up to {most:.4g}, and came back no lower than {past.level:.4g}"
    return None


def _jumping(past: Past) -> str | None:
    start = past.highest_start
    if start is None or past.level is None:
        return None
    what = "of guessing" if start == past.known.guess else "at the beginning"
    for word, values, factor in (("last ", part(past.loss, 0.5, 1), GROWN), ("", part(past.loss, 0, 1), BURST)):
        above = [value for value in values if value > factor * start + _doubt(past)]
        if len(above) >= max(2, OFTEN * len(values)):
            count = f"{len(above)} of the {word}{len(values)} losses shown"
            return f"{count} are above the {start:.4g} {what}, up to {max(above):.4g}"
    return None


def _doubt(past: Past) -> float:
    """By how much a loss may lie above the first one by chance; nothing where that of a guess is known."""
    return SURE * past.noise if past.known.guess is None else 0.0


def _lower(past: Past) -> str:
    spec = past.job.spec
    if spec.iter_size > 1:
        lower = f"{spec.base_lr / spec.iter_size:.3g}"
        return (
            f"with iter_size {spec.iter_size} a gradient is already the mean of that many batches, so base_lr stays as "
            f"for one: was it multiplied? Try base_lr={lower}, that is base_lr / iter_size"
        )
    return f"try base_lr={spec.base_lr / 10:.3g}; `netspec lr-find` looks for a rate; clip_gradients tames single steps"
