"""Overfitting: a test loss that rises while the training loss falls."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.curve import part
from netspec.training.history import Series
from netspec.training.rules.base import Example
from netspec.training.rules.recorded.base import HistoryRule, Past, recorded
from netspec.training.rules.recorded.unlearnt_test import TESTED, USEFUL

RISEN = 1.15
"""How many times its lowest value the test loss is at the end: smaller rises may be noise."""
FALLEN = 0.8
"""Part of the training loss at that time that is left at the end: else both rise, and the rate is at fault."""
APART, LITTLE = 0.25, 0.1
"""Losses are far apart by this part of the loss at the beginning, where that of training is this part of the other."""
GAIN = 0.005
"""What a score gains where the net becomes better though its loss rises: half a point of an accuracy."""
LEAST = 4
"""Tests before which nothing is said: the lowest of three lies at an end, or in the middle by chance."""


class OverfittingWarning(Caution):
    """From some test on a net learned its training samples by heart, and became worse on others."""

    code = "NS844"


_LOSS = [1.4, 0.9, 0.6, 0.4, 0.3, 0.25, 0.2, 0.15, 0.12, 0.1]


class Overfitting(HistoryRule):
    """A test loss that was lowest well before the end, and a training loss that has fallen since."""

    finding: ClassVar[type[NetspecError]] = OverfittingWarning
    wrong: ClassVar[Example] = recorded(
        {"loss": _LOSS, "test/loss": [1.4, 1.1, 0.9, 0.8, 0.85, 0.9, 1.0, 1.1, 1.2, 1.3]}, fields=TESTED
    )
    fine: ClassVar[Example] = recorded(
        {"loss": _LOSS, "test/loss": [1.4, 1.1, 0.9, 0.8, 0.75, 0.7, 0.71, 0.7, 0.72, 0.74]}, fields=TESTED
    )

    def look(self, past: Past) -> Iterator[NetspecError]:
        """A warning with the test since which it is so."""
        tests, start = past.test_loss, past.start
        if tests is None or start is None or past.level is None or len(tests) < LEAST:
            return
        if min(tests.values) > USEFUL * start:
            return  # what was learned was of no use for the test set at any time
        found = _risen(past, tests, past.level) or _apart(tests, start, past.level)
        if found is not None:
            help = (
                "keep the weights of the best test by `best: {}`, or end there by `early_stop`; more samples, random "
                "transforms, Dropout or a higher weight_decay make a net learn less by heart"
            )
            yield OverfittingWarning(found, help=help)


def _risen(past: Past, tests: Series, level: float) -> str | None:
    """Whether the test loss has risen while the training loss fell."""
    lowest, end = _lowest(tests), median(tests.values[-3:])
    if lowest >= len(tests) - 2 or end < RISEN * tests.values[lowest] or _still_gains(past, lowest):
        return None
    then = _around(past.loss, tests.iterations[lowest])
    if then is None or level > FALLEN * then:
        return None
    epoch = tests.epochs[lowest]
    when = f"iteration {tests.iterations[lowest]:,}" + ("" if epoch is None else f" (epoch {epoch:.1f})")
    return (
        f"overfitting since {when}: {tests.name} was lowest there, {tests.values[lowest]:.4g}, and is {end:.4g} at the "
        f"end, while the training loss fell from {then:.4g} to {level:.4g}"
    )


def _apart(tests: Series, start: float, level: float) -> str | None:
    """Whether the losses were far apart at all tests."""
    lowest = min(tests.values)
    if lowest - level < APART * start or level > LITTLE * lowest:
        return None
    since = f"overfitting from the first test on, at iteration {tests.iterations[0]:,}"
    return f"{since}: {tests.name} was never below {lowest:.4g}, while the training loss fell to {level:.4g}"


def _lowest(tests: Series) -> int:
    return min(range(len(tests)), key=lambda i: tests.values[i])


def _still_gains(past: Past, lowest: int) -> bool:
    """Whether the score that the training is judged by has become better since the loss was lowest."""
    metric = past.job.watch.metric
    score = past.tested(metric.name.partition("/")[2]) if metric is not None else None
    if metric is None or score is None or len(score) <= lowest or "loss" in metric.name:
        return False
    return metric.gain(median(score.values[-3:]), score.values[lowest]) > GAIN


def _around(loss: Series, iteration: int) -> float | None:
    """The median training loss about an iteration."""
    whole = max(1, loss.iterations[-1] - loss.iterations[0])
    share = (iteration - loss.iterations[0]) / whole
    values = part(loss, share - 0.1, share + 0.1)
    return median(values) if values else None
