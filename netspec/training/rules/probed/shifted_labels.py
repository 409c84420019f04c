"""ShiftedLabels: labels that mean other classes in a test than in training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import feed, own_class, solver, value
from netspec.training.rules.probed.base import Probed, ProbeRule


class ShiftedLabelsWarning(Caution):
    """The labels of a test agree with those of the training only when a number is added to them."""

    code = "NS816"


LEAST = 0.4
"""Share of samples for which the shifted labels must be right, and at least twice that of the labels as they are: else
the means of classes tell too little.
"""

_TEST = range(100, 140)


def _clustered(sample: int, feature: int) -> float:
    return value(sample, feature) + 2 * (feature == own_class(sample))


class ShiftedLabels(ProbeRule):
    """Samples whose nearest class mean of the training agrees with the label plus a number, and not with the label."""

    finding: ClassVar[type[NetspecError]] = ShiftedLabelsWarning
    wrong: ClassVar[Example] = Example(
        solver(train=feed(_clustered), test=feed(_clustered, lambda sample: (sample + 3) % 4, _TEST))
    )
    fine: ClassVar[Example] = Example(solver(train=feed(_clustered), test=feed(_clustered, samples=_TEST)))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for each feed."""
        for one in probed.probe.data.shifts:
            if one.shift == 0 or one.other < LEAST or one.own > one.other / 2:
                continue
            text = f"the labels of '{one.feed}' are shifted: the nearest class mean of the training is right for "
            text += f"{one.own:.0%} of the samples, and for {one.other:.0%} with {one.shift} added to their labels"
            help = "number the classes alike in all feeds, from 0"
            yield ShiftedLabelsWarning(text, at=probed.at_feed(one.feed, "source"), help=help)
