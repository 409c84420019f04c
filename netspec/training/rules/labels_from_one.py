"""LabelsFromOne: labels that seem to count from 1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules._examples import CLASSES, feed, own_class, solver
from netspec.training.rules.base import Example, Known, Rule


class LabelsFromOneWarning(Caution):
    """No sample is of class 0, and all other classes have some: the labels seem to count from 1."""

    code = "NS821"


class LabelsFromOne(Rule):
    """All classes of the net but the first among the labels."""

    finding: ClassVar[type[NetspecError]] = LabelsFromOneWarning
    wrong: ClassVar[Example] = Example(
        solver(train=feed(label=lambda sample: 1 + own_class(sample)), classes=CLASSES + 1), probed=True
    )
    fine: ClassVar[Example] = Example(solver(classes=CLASSES + 1), probed=True)

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """One warning for each output with labels."""
        for one in known.probe.data.labels if known.probe is not None else ():
            if one.feed != "train" or len(one.counts) < 3 or one.counts[0] or not all(one.counts[1:]):
                continue
            text = (
                f"of {len(one.counts)} classes only class 0 has no sample in '{one.name}': labels seem to count from 1"
            )
            spec = known.job.spec.data.train if known.job is not None else None
            help = f"count them from 0, and give the net {len(one.counts) - 1} scores"
            yield LabelsFromOneWarning(text, at=spec.place("source") if spec else None, help=help)
