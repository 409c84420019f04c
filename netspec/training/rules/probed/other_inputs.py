"""OtherInputs: test inputs that are scaled or shifted otherwise than in training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.probe import InputProbe
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import feed, solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class OtherInputsWarning(Caution):
    """The inputs of a test are transformed otherwise than those of the training, so its scores say nothing."""

    code = "NS808"


FACTOR = 1.7
"""Ratio of deviations that may be chance, or other data: a forgotten Scale of bytes makes it 256."""

APART = 0.5
"""Distance of means, in deviations, that other data may have; a forgotten SubtractMean makes it .8 for FashionMNIST."""

_TEST = range(100, 140)
_SCALED = [{"type": "Scale", "factor": 0.25}]


def _differ(train: InputProbe, other: InputProbe) -> bool:
    """Whether inputs differ by more than chance and other data explain."""
    small, large = sorted((train.deviation, other.deviation))
    return large > FACTOR * small or abs(train.mean - other.mean) > APART * large


class OtherInputs(ProbeRule):
    """Deviations that differ by a factor of 1.7, or means by more than half a deviation."""

    finding: ClassVar[type[NetspecError]] = OtherInputsWarning
    wrong: ClassVar[Example] = Example(solver(train=feed(transform=_SCALED), test=feed(samples=_TEST)))
    fine: ClassVar[Example] = Example(
        solver(train=feed(transform=_SCALED), test=feed(samples=_TEST, transform=_SCALED))
    )

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for each feed and input."""
        inputs = probed.probe.data.inputs
        own = {one.name: one for one in inputs if one.feed == "train"}
        for one in inputs:
            train = own.get(one.name)
            if one.feed == "train" or train is None or not _differ(train, one):
                continue
            there = f"mean {train.mean:.3g}, deviation {train.deviation:.3g}"
            here = f"mean {one.mean:.3g}, deviation {one.deviation:.3g}"
            text = f"input '{one.name}' is fed otherwise in '{one.feed}' than in training: {here}; in training {there}"
            help = "give both feeds the same scaling: Scale, SubtractMean, Normalize, Standardize"
            yield OtherInputsWarning(text, at=probed.at_feed(one.feed, "transform"), help=help)
