"""FrozenNoise: layers that do not learn, with the random weights that they began with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules._examples import solver
from netspec.training.rules.base import Example, Known, Rule, named


class FrozenNoiseWarning(Caution):
    """A frozen layer keeps weights that nothing has learned: random numbers stand between the layers around it."""

    code = "NS813"


class FrozenNoise(Rule):
    """An lr_mult of 0 on weights that a filler has drawn, and no file has brought."""

    finding: ClassVar[type[NetspecError]] = FrozenNoiseWarning
    wrong: ClassVar[Example] = Example(solver(params=[{"match": "hidden", "lr_mult": 0}]), probed=True)
    fine: ClassVar[Example] = Example(solver(params=[{"match": "hidden", "lr_mult": 0.1}]), probed=True)

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """One warning for all such layers."""
        if known.probe is None or known.learner is None:
            return
        frozen = [one for one in known.probe.weights if one.usual is not None and one.drawn and not one.learned]
        if not frozen:
            return
        names, count = named([one.layer for one in frozen]), sum(one.count for one in frozen)
        text = f"{names} {'is' if len(frozen) == 1 else 'are'} frozen with random weights: no file has brought these "
        text += f"{count:,} params, and lr_mult 0 keeps them"
        help = "begin with trained weights (`weights: FILE`), or freeze fewer layers"
        node = next(node for node in known.learner.graph.nodes if node.layer.name == frozen[0].layer)
        yield FrozenNoiseWarning(text, at=node.layer.place("param"), help=help)
