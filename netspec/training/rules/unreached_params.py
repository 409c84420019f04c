"""UnreachedParams: params that are to be learned, and that no loss reaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.net.learning import unmoved
from netspec.training.rules.base import LEARNING, Example, Known, Rule, named


class UnreachedParamsWarning(Caution):
    """No gradient of a loss reaches a layer with params that are to be learned."""

    code = "NS322"


def _solver(flows: bool) -> dict[str, Any]:
    layers = [
        {"name": "data", "type": "Input", "top": ["data", "label"], "shape": [[2, 3], [2]]},
        {"name": "ip1", "type": "InnerProduct", "num_output": 5, "weight_filler": "xavier"},
        {"name": "ip2", "type": "InnerProduct", "num_output": 4, "propagate_down": flows},
        {"name": "loss", "type": "SoftmaxWithLoss", "bottom": ["ip2", "label"]},
    ]
    source = {"type": "Arrays", "values": [[[0.5, -1.0, 2.0], [1.0, 3.0, -0.5]], [0, 3]]}
    return {**LEARNING, "net": {"layers": layers}, "data": {"train": {"source": source, "batch_size": 2}}}


class UnreachedParams(Rule):
    """A layer whose top leads to no loss, or only past `propagate_down: false`; params of `lr_mult: 0` are let pass."""

    finding: ClassVar[type[NetspecError]] = UnreachedParamsWarning
    wrong: ClassVar[Example] = Example(_solver(False))
    fine: ClassVar[Example] = Example(_solver(True))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """One warning for the net."""
        net = known.learner
        if net is None:
            return
        lost = unmoved(net.graph, [None] * len(net.params))
        nodes = [node for node in net.graph.nodes if lost.intersection(node.params)]
        if not nodes:
            return
        names = named([node.layer.name for node in nodes])
        head = f"layers {names} are not learned" if len(nodes) > 1 else f"layer {names} is not learned"
        message = f"{head}: no loss reaches the params there"
        help = "let their tops lead to a loss, with no `propagate_down: false` between; or freeze them: `lr_mult: 0`"
        yield UnreachedParamsWarning(message, at=nodes[0].layer.place(), help=help)
