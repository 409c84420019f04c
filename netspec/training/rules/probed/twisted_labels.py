"""TwistedLabels: equal samples with different labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import feed, solver, value
from netspec.training.rules.probed.base import Probed, ProbeRule


class TwistedLabelsWarning(Caution):
    """Training samples that are equal have different labels: no net can be right for all of them."""

    code = "NS820"


SHARE = 0.05
"""Share of contradictions that may be noise: one wrong label in twenty."""


class TwistedLabels(ProbeRule):
    """More than one in twenty of the samples that were compared."""

    finding: ClassVar[type[NetspecError]] = TwistedLabelsWarning
    wrong: ClassVar[Example] = Example(solver(train=feed(lambda sample, feature: value(sample // 8, feature))))
    fine: ClassVar[Example] = Example(solver(train=feed()))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning."""
        data = probed.probe.data
        if data.constant or data.twisted <= SHARE * data.paired:
            return
        text = (
            f"{data.twisted:,} of {data.paired:,} training samples have an equal sample with another label: no net can "
        )
        text += "be right for both"
        help = "are labels and samples in the same order? `netspec data check` lists them"
        yield TwistedLabelsWarning(text, at=probed.at_feed("train", "source"), help=help)
