"""SquashedScores: scores that went through an activation before a loss that applies its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.layers.base import Layer
from netspec.layers.relu import ReLU
from netspec.net.graph import Graph
from netspec.training.rules.base import Example, Known, Rule, example


class SquashedScoresWarning(Caution):
    """The scores of a loss are squashed twice, or cut at 0: the loss cannot come near 0."""

    code = "NS323"


RANGES = {
    "Softmax": (0.0, 1.0),
    "Sigmoid": (0.0, 1.0),
    "HardSigmoid": (0.0, 1.0),
    "TanH": (-1.0, 1.0),
    "HardTanh": (-1.0, 1.0),
    "Softsign": (-1.0, 1.0),
    "ReLU": (0.0, inf),
    "ReLU6": (0.0, 6.0),
}
"""The values that activations give, by layer type, where they do not give all numbers."""


def _solver(scores: Mapping[str, Any]) -> dict[str, Any]:
    product = {"name": "ip", "type": "InnerProduct", "num_output": 4, "weight_filler": "xavier"}
    return example([product, scores])


class SquashedScores(Rule):
    """An activation right before a loss with a softmax or a sigmoid inside; a scale between the two is let pass."""

    finding: ClassVar[type[NetspecError]] = SquashedScoresWarning
    wrong: ClassVar[Example] = Example(_solver({"name": "prob", "type": "Softmax"}))
    fine: ClassVar[Example] = Example(_solver({"name": "scale", "type": "Power", "scale": 2}))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """One warning for each such loss."""
        net = known.learner
        for node in net.graph.nodes if net is not None else ():
            inner = node.layer.inner_activation if node.layer.is_loss and node.bottoms else None
            found = bounded(net.graph, node.bottoms[0]) if net is not None and inner is not None else None
            if inner is None or found is None:
                continue
            layer, low, high = found
            lie = f"between {low:g} and {high:g}" if high < inf else f"at {low:g} or above"
            message = (
                f"the scores of loss '{node.layer.name}' are the top of '{layer.name}' ({layer.type}) and lie {lie}, "
                f"but {node.layer.type} has its own {inner[0]} inside, which wants any number"
            )
            help = f"let '{node.layer.name}' read the bottom of '{layer.name}', and leave that layer to `include: TEST`"
            help = f"leave out '{layer.name}' before the loss" if layer.type != inner[0] else help
            yield SquashedScoresWarning(message, at=layer.place(), help=help)


def bounded(graph: Graph, blob: int) -> tuple[Layer, float, float] | None:
    """The activation that gives the values of a blob, with the lowest and the highest; None where any are possible."""
    while blob not in graph.inputs:
        node = graph.nodes[graph.blobs[blob].producer]
        if not node.bottoms or not node.layer.aliases(graph.phase):
            leaks = isinstance(node.layer, ReLU) and node.layer.negative_slope
            known = node.layer.type in RANGES and not leaks
            return (node.layer, *RANGES[node.layer.type]) if known else None
        blob = graph.original(node.bottoms[0])
    return None
