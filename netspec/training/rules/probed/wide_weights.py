"""WideWeights: weights that are far too large for the number of values they sum."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example, named
from netspec.training.rules.base_examples import product, solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class WideWeightsWarning(Caution):
    """The weights of a layer are so large that its outputs explode."""

    code = "NS801"


def _wide(deviation: float) -> dict[str, Any]:
    filler = {"type": "gaussian", "std": deviation}
    return solver([product("hidden", weight_filler=filler), {"name": "relu", "type": "ReLU"}])


class WideWeights(ProbeRule):
    """Weights of more than ten times the deviation that the msra filler would give them."""

    finding: ClassVar[type[NetspecError]] = WideWeightsWarning
    hinders: ClassVar[bool] = True
    wrong: ClassVar[Example] = Example(_wide(10.0))
    fine: ClassVar[Example] = Example(_wide(1.0))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning, with the layers and the worst of them."""
        wide = probed.probe.wide
        if not wide:
            return
        worst = max(wide, key=lambda one: one.size / (one.usual or 1))
        assert worst.usual is not None
        names = named([one.layer for one in wide])
        text = f"the weights of {names} are far too large: those of '{worst.layer}' have deviation {worst.size:.3g}"
        help = f"{worst.usual:.2g} fits the number of its inputs: `weight_filler: msra`, or xavier"
        yield WideWeightsWarning(text, at=probed.at_layer(worst.layer, "weight_filler"), help=help)
