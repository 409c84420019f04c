"""UnreachableTargets: numbers that the last activation of a net can never give."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.layers.relu import ReLU
from netspec.net.graph import Graph, Node
from netspec.net.heads import source
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import FEATURES, SAMPLES, product, value
from netspec.training.rules.probed.base import Probed, ProbeRule


class UnreachableTargetsWarning(Caution):
    """The targets lie where the last activation of the net never gets: no weights can be right."""

    code = "NS826"


RANGES = {"Sigmoid": (0.0, 1.0), "HardSigmoid": (0.0, 1.0), "TanH": (-1.0, 1.0), "HardTanh": (-1.0, 1.0)}
RANGES |= {"Softmax": (0.0, 1.0), "Softsign": (-1.0, 1.0), "ReLU": (0.0, inf), "ReLU6": (0.0, 6.0)}
"""The values that layer types give."""

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
            maker, number = _maker(graph, node.bottoms[0]), source(graph, node.bottoms[1])
            truth = None if number is None else truths.get(graph.blobs[graph.inputs[number]].name)
            if maker is None or truth is None or maker.layer.type not in RANGES or _slopes(maker):
                continue
            low, high = RANGES[maker.layer.type]
            outside = max(low - truth.least, truth.most - high)
            if outside <= APART * (truth.most - truth.least):
                continue
            gives = f"{low:g} to {high:g}" if high < inf else f"{low:g} and above"
            text = f"target '{truth.name}' goes from {truth.least:.4g} to {truth.most:.4g}, and '{maker.layer.name}' "
            text += f"({maker.layer.type}), which '{node.layer.name}' compares with it, gives {gives}"
            help = f"leave out '{maker.layer.name}' before the loss, or scale the targets into its range"
            yield UnreachableTargetsWarning(text, at=maker.layer.place(), help=help)


def _maker(graph: Graph, blob: int) -> Node | None:
    """The layer that gives the values of a blob; None for an input."""
    return None if blob in graph.inputs else graph.nodes[graph.blobs[blob].producer]


def _slopes(node: Node) -> bool:
    """Whether it is a ReLU that lets negative values through."""
    return isinstance(node.layer, ReLU) and bool(node.layer.negative_slope)
