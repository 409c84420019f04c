"""SquashedScores: scores that went through an activation before a loss that applies its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.layers.relu import ReLU
from netspec.net.graph import Graph, Node
from netspec.training.rules.base import Example, Known, Rule, example


class SquashedScoresWarning(Caution):
    """The scores of a loss are squashed twice, or cut at 0: the loss cannot come near 0."""

    code = "NS323"


RANGES = {
    "Softmax": "between 0 and 1",
    "Sigmoid": "between 0 and 1",
    "HardSigmoid": "between 0 and 1",
    "TanH": "between -1 and 1",
    "HardTanh": "between -1 and 1",
    "Softsign": "between -1 and 1",
    "ReLU": "at 0 or above",
    "ReLU6": "between 0 and 6",
}
"""The layer types that leave a loss too few values, and which."""


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
            maker = _maker(net.graph, node.bottoms[0]) if net is not None and inner is not None else None
            if inner is None or maker is None or maker.layer.type not in RANGES:
                continue
            layer = maker.layer
            if layer.inner_activation is not None or (isinstance(layer, ReLU) and layer.negative_slope):
                continue
            message = (
                f"the scores of loss '{node.layer.name}' are the top of '{layer.name}' ({layer.type}) and lie "
                f"{RANGES[layer.type]}, but {node.layer.type} has its own {inner[0]} inside, which wants any number"
            )
            help = f"let '{node.layer.name}' read the bottom of '{layer.name}', and leave that layer to `include: TEST`"
            help = f"leave out '{layer.name}' before the loss" if layer.type != inner[0] else help
            yield SquashedScoresWarning(message, at=layer.place(), help=help)


def _maker(graph: Graph, blob: int) -> Node | None:
    """The layer that computes the values of a blob; None for an input."""
    while blob not in graph.inputs:
        node = graph.nodes[graph.blobs[blob].producer]
        if not node.bottoms or not node.layer.aliases(graph.phase):
            return node
        blob = graph.original(node.bottoms[0])
    return None
