"""ConstantInputs: an input that is equal in all samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import feed, solver, value
from netspec.training.rules.probed.base import Probed, ProbeRule


class ConstantInputsWarning(Caution):
    """All samples of an input are equal, so nothing can be learned from it."""

    code = "NS803"


class ConstantInputs(ProbeRule):
    """A training input without any value that differs from one sample to another."""

    finding: ClassVar[type[NetspecError]] = ConstantInputsWarning
    hinders: ClassVar[bool] = True
    wrong: ClassVar[Example] = Example(solver(train=feed(lambda sample, feature: 0.0)))
    fine: ClassVar[Example] = Example(solver(train=feed(lambda sample, feature: value(sample, 0))))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for each such input."""
        if probed.probe.samples == 1:
            return
        for one in probed.probe.data.constant:
            values = f"{one.least:.4g}" if one.least == one.most else f"{one.least:.4g} to {one.most:.4g}"
            text = f"input '{one.name}' is the same in all samples that were looked at: {values}"
            help = "does a transform take everything away, or does the source read the wrong file or column?"
            yield ConstantInputsWarning(text, at=probed.at_feed("train", "source"), help=help)
