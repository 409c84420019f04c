"""UnreachableTargets: numbers that the last activation of a net can never give."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.net.heads import source
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import FEATURES, SAMPLES, product, value
from netspec.training.rules.probed.base import Probed, ProbeRule
from netspec.training.rules.squashed_scores import bounded


class UnreachableTargetsWarning(Caution):
    """The targets lie where the last activation of the net never gets: no weights can be right."""

    code = "NS826"


APART = 0.01
"""Part of the targets' range that may lie outside."""


def _solver(factor: float) -> dict[str, Any]:
    values = [
        [[value(i, j) for j in range(FEATURES)] for i in range(SAMPLES)],
        [0.5 + factor * value(i, 9) for i in range(SAMPLES)],
    ]
    first = {"name": "data", "type": "Input", "top": ["data", "truth"], "shape": [[20, FEATURES], [20]]}
    squash = {"name": "squash", "type": "Sigmoid"}
    last = {"name": "loss", "type": "EuclideanLoss", "bottom": ["squash", "truth"]}
    feed = {"source": {"type": "Arrays", "values": values}, "batch_size": 20}
    net = {"layers": [first, product("out", 1), squash, last]}
    return {"net": net, "data": {"train": feed}, "base_lr": 0.1, "lr_policy": "fixed", "max_iter": 10}


class UnreachableTargets(ProbeRule):
    """A loss that compares an input with an activation, which never has values as low or as high."""

    finding: ClassVar[type[NetspecError]] = UnreachableTargetsWarning
    wrong: ClassVar[Example] = Example(_solver(3.0))
    fine: ClassVar[Example] = Example(_solver(0.4))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for each such loss."""
        graph = probed.job.train.graph
        truths = {one.name: one for one in probed.probe.data.inputs if one.feed == "train" and one.truth}
        for node in graph.nodes:
            if not node.layer.is_loss or len(node.bottoms) < 2 or node.layer.inner_activation is not None:
                continue
            found, number = bounded(graph, node.bottoms[0]), source(graph, node.bottoms[1])
            truth = None if number is None else truths.get(graph.blobs[graph.inputs[number]].name)
            if found is None or truth is None:
                continue
            layer, low, high = found
            outside = max(low - truth.least, truth.most - high)
            if outside <= APART * (truth.most - truth.least):
                continue
            gives = f"{low:g} to {high:g}" if high < inf else f"{low:g} and above"
            text = f"target '{truth.name}' goes from {truth.least:.4g} to {truth.most:.4g}, and '{layer.name}' "
            text += f"({layer.type}), which '{node.layer.name}' compares with it, gives {gives}"
            help = f"leave out '{layer.name}' before the loss, or scale the targets into its range"
            yield UnreachableTargetsWarning(text, at=layer.place(), help=help)
