"""DeadUnits: ReLUs that no sample switches on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules.base import Example, named
from netspec.training.rules.base_examples import product, solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class DeadUnitsWarning(Caution):
    """Most units of a ReLU give 0 for every sample: no gradient passes them, and they stay so."""

    code = "NS806"


LEAST = 16
"""Samples that must have been seen: a unit that is on for half of them is off for all of 16 once in 65,536 times."""

_RELU = {"name": "relu", "type": "ReLU"}


class DeadUnits(ProbeRule):
    """More than half of the units of a ReLU dead over all samples of the first batches."""

    finding: ClassVar[type[NetspecError]] = DeadUnitsWarning
    hinders: ClassVar[bool] = True
    wrong: ClassVar[Example] = Example(
        solver([product("hidden", bias_filler={"type": "constant", "value": -10.0}), _RELU])
    )
    fine: ClassVar[Example] = Example(solver([product("hidden"), _RELU]))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning, with the layers; inputs and weights of zeros say why by themselves."""
        probe = probed.probe
        if probe.data.constant or probe.seen < LEAST or not probe.finite:
            return
        products = [one for one in probe.weights if one.usual is not None]
        if not probe.dead or not any(one.size for one in products):
            return
        blob = max(probe.dead, key=lambda blob: blob.dead or 0)
        text = f"{blob.dead:.0%} of the units of '{blob.layer}' are dead: 0 for each of {probe.seen:,} samples"
        others = [one.layer for one in probe.dead if one is not blob]
        text += f" (most are dead in {named(others)} too)" if others else ""
        help = "is a bias_filler far below 0, or are the inputs? `negative_slope: 0.01` keeps a gradient in any case"
        yield DeadUnitsWarning(text, at=probed.at_layer(blob.layer), help=help)
