"""FrozenNoise: layers that do not learn, with the random weights that they began with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example, named
from netspec.training.rules.base_examples import solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class FrozenNoiseWarning(Caution):
    """A frozen layer keeps weights that nothing has learned: random numbers stand between the layers around it."""

    code = "NS813"


class FrozenNoise(ProbeRule):
    """An lr_mult of 0 on weights that a filler has drawn, and no file has brought."""

    finding: ClassVar[type[NetspecError]] = FrozenNoiseWarning
    wrong: ClassVar[Example] = Example(solver(params=[{"match": "hidden", "lr_mult": 0}]))
    fine: ClassVar[Example] = Example(solver(params=[{"match": "hidden", "lr_mult": 0.1}]))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for all such layers."""
        frozen = [one for one in probed.probe.weights if one.usual is not None and one.drawn and not one.learned]
        if not frozen:
            return
        names, count = named([one.layer for one in frozen]), sum(one.count for one in frozen)
        text = f"{names} {'is' if len(frozen) == 1 else 'are'} frozen with random weights: no file has brought these "
        text += f"{count:,} params, and lr_mult 0 keeps them"
        help = "begin with trained weights (`weights: FILE`), or freeze fewer layers"
        yield FrozenNoiseWarning(text, at=probed.at_layer(frozen[0].layer, "param"), help=help)
