"""EqualUnits: outputs of a layer that begin equal and stay so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.net.learning import twins, unmoved
from netspec.training.rules.base import Example, Known, Rule, example, named


class EqualUnitsWarning(Caution):
    """The outputs of a layer begin equal and get equal gradients: it learns as if it had a single output."""

    code = "NS321"


def _solver(filler: Any) -> dict[str, Any]:
    layers: list[dict[str, Any]] = [
        {"name": "ip1", "type": "InnerProduct", "num_output": 5, "weight_filler": {"type": "constant", "value": 0.1}},
        {"name": "sigmoid1", "type": "Sigmoid"},
        {"name": "ip2", "type": "InnerProduct", "num_output": 4, "weight_filler": filler},
    ]
    return example(layers)


class EqualUnits(Rule):
    """Constant weights in a layer, and in all that read it; random weights on either side make its outputs differ."""

    finding: ClassVar[type[NetspecError]] = EqualUnitsWarning
    hinders: ClassVar[bool] = True
    wrong: ClassVar[Example] = Example(_solver({"type": "constant", "value": 0.2}))
    fine: ClassVar[Example] = Example(_solver("xavier"))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """One warning for the net; layers that do not learn at all are left to ZeroWeights."""
        net = known.learner
        if net is None:
            return
        levels = known.levels(net)
        nodes = [node for node in twins(net.graph, levels) if net.blobs[node.tops[0]][1] > 1]
        stuck = unmoved(net.graph, levels) if nodes else frozenset()
        nodes = [node for node in nodes if node.params[0] not in stuck]
        if not nodes:
            return
        names = named([node.layer.name for node in nodes])
        whose = f"the outputs of layer{'s' * (len(nodes) > 1)} {names}"
        message = f"{whose} stay equal to one another: they begin equal, and equal outputs get equal gradients"
        help = f"give {names} a filler that draws numbers, like `weight_filler: xavier`"
        yield EqualUnitsWarning(message, at=nodes[0].layer.place("weight_filler"), help=help)
