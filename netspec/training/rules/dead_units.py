"""DeadUnits: ReLUs that no sample switches on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.training.rules._examples import product, solver
from netspec.training.rules.base import Example, Known, Rule, named


class DeadUnitsWarning(Caution):
    """Most units of a ReLU give 0 for every sample: no gradient passes them, and they stay so."""

    code = "NS806"


LEAST = 16
"""Samples that must have been seen: a unit may be off for a few."""

_RELU = {"name": "relu", "type": "ReLU"}


class DeadUnits(Rule):
    """More than half of the units of a ReLU dead over all samples of the first batches."""

    finding: ClassVar[type[NetspecError]] = DeadUnitsWarning
    wrong: ClassVar[Example] = Example(
        solver([product("hidden", bias_filler={"type": "constant", "value": -10.0}), _RELU]), probed=True
    )
    fine: ClassVar[Example] = Example(solver([product("hidden"), _RELU]), probed=True)

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """One warning, with the layers; inputs and weights of zeros say why by themselves."""
        probe = known.probe
        if probe is None or known.learner is None or probe.data.constant or probe.seen < LEAST or not probe.finite:
            return
        products = [one for one in probe.weights if one.usual is not None]
        if not probe.dead or not any(one.size for one in products):
            return
        blob = max(probe.dead, key=lambda blob: blob.dead or 0)
        text = f"{blob.dead:.0%} of the units of '{blob.layer}' are dead: 0 for each of {probe.seen:,} samples"
        names = named([one.layer for one in probe.dead if one is not blob]) if len(probe.dead) > 1 else ""
        text += f" (most are dead in {names} too)" if names else ""
        help = "is a bias_filler far below 0, or are the inputs? `negative_slope: 0.01` keeps a gradient in any case"
        node = next(node for node in known.learner.graph.nodes if node.layer.name == blob.layer)
        yield DeadUnitsWarning(text, at=node.layer.place(), help=help)
