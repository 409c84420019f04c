"""UnreachedParams: params that are to be learned, and that no loss reaches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.net.learning import unmoved
from netspec.training.rules.base import Example, Known, Rule, example, named


class UnreachedParamsWarning(Caution):
    """No gradient of a loss reaches a layer with params that are to be learned."""

    code = "NS322"


def _solver(flows: bool) -> dict[str, Any]:
    layers: list[dict[str, Any]] = [
        {"name": "ip1", "type": "InnerProduct", "num_output": 5, "weight_filler": "xavier"},
        {"name": "ip2", "type": "InnerProduct", "num_output": 4, "propagate_down": flows},
    ]
    return example(layers)


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
