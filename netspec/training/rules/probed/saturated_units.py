"""SaturatedUnits: Sigmoids and TanHs far out where they are flat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example, named
from netspec.training.rules.base_examples import product, solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class SaturatedUnitsWarning(Caution):
    """Most values of a Sigmoid or TanH lie where its slope is all but 0, so hardly any gradient passes."""

    code = "NS807"


_SIGMOID = {"name": "sigmoid", "type": "Sigmoid"}


class SaturatedUnits(ProbeRule):
    """More than half of the values where the slope is below a hundredth of the steepest."""

    finding: ClassVar[type[NetspecError]] = SaturatedUnitsWarning
    hinders: ClassVar[bool] = True
    wrong: ClassVar[Example] = Example(
        solver([product("hidden", bias_filler={"type": "constant", "value": 12.0}), _SIGMOID])
    )
    fine: ClassVar[Example] = Example(solver([product("hidden"), _SIGMOID]))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning, with the layers."""
        probe = probed.probe
        if probe.wide or probe.data.unscaled or not probe.saturated:
            return
        blob = max(probe.saturated, key=lambda blob: blob.saturated or 0)
        text = f"{blob.saturated:.0%} of the values of '{blob.layer}' ({blob.type}) are saturated: its slope is near 0"
        others = [one.layer for one in probe.saturated if one is not blob]
        text += f" (also in {named(others)})" if others else ""
        help = "scale the inputs, draw smaller weights, or let the biases begin at 0"
        yield SaturatedUnitsWarning(text, at=probed.at_layer(blob.layer), help=help)
