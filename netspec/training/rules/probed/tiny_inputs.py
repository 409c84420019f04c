"""TinyInputs: inputs that are all but 0 beside the values that nets expect."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import feed, solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class TinyInputsWarning(Caution):
    """The values of an input are so small that biases outweigh them: the net hardly sees its samples."""

    code = "NS824"


def _scaled(factor: float) -> Example:
    return Example(solver(train=feed(transform=[{"type": "Scale", "factor": factor}])))


class TinyInputs(ProbeRule):
    """A training input without a value beyond a hundredth; those that are equal in all samples say why by themselves.

    A net whose first layers normalize is let pass.
    """

    finding: ClassVar[type[NetspecError]] = TinyInputsWarning
    wrong: ClassVar[Example] = _scaled(0.001)
    fine: ClassVar[Example] = _scaled(0.1)

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for each such input."""
        net = probed.job.train
        if any(node.layer.purpose == "normalization" for node in net.graph.nodes):
            return
        for one in probed.probe.data.tiny:
            text = f"input '{one.name}' is all but 0: {one.least:.3g} to {one.most:.3g}, deviation {one.deviation:.2g}"
            help = "is it scaled twice? Bring it to about -1..1 in all feeds, by Scale or Standardize"
            yield TinyInputsWarning(text, at=probed.at_feed("train", "transform"), help=help)
