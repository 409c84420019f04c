"""LabelsFromOne: labels that seem to count from 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import CLASSES, feed, own_class, solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class LabelsFromOneWarning(Caution):
    """No sample is of class 0, and all other classes have some: the labels seem to count from 1."""

    code = "NS821"


class LabelsFromOne(ProbeRule):
    """All classes of the net but the first among the labels."""

    finding: ClassVar[type[NetspecError]] = LabelsFromOneWarning
    wrong: ClassVar[Example] = Example(
        solver(train=feed(label=lambda sample: 1 + own_class(sample)), classes=CLASSES + 1)
    )
    fine: ClassVar[Example] = Example(solver(classes=CLASSES + 1))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for each output with labels."""
        for one in probed.probe.data.labels:
            if one.feed != "train" or len(one.counts) < 3 or one.counts[0] or not all(one.counts[1:]):
                continue
            text = (
                f"of {len(one.counts)} classes only class 0 has no sample in '{one.name}': labels seem to count from 1"
            )
            help = f"count them from 0, and give the net {len(one.counts) - 1} scores"
            yield LabelsFromOneWarning(text, at=probed.at_feed("train", "source"), help=help)
