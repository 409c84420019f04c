"""ZeroWeights: weights that are 0, and whose gradient is 0 too."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.net.graph import Node
from netspec.net.learning import unmoved
from netspec.net.shaped import ShapedGraph
from netspec.training.rules.base import Example, Known, Rule, example, named


class ZeroWeightsWarning(Caution):
    """Weights that begin at 0 keep layers from learning: all gradients there are 0 forever."""

    code = "NS320"


def _solver(filler: str) -> dict[str, Any]:
    layers: list[dict[str, Any]] = [
        {"name": "ip1", "type": "InnerProduct", "num_output": 5, "weight_filler": filler},
        {"name": "relu1", "type": "ReLU"},
        {"name": "ip2", "type": "InnerProduct", "num_output": 4},
    ]
    return example(layers)


class ZeroWeights(Rule):
    """Weights of 0 below or above weights of 0, or below a ReLU; a single layer learns from 0 and is let pass."""

    finding: ClassVar[type[NetspecError]] = ZeroWeightsWarning
    hinders: ClassVar[bool] = True
    wrong: ClassVar[Example] = Example(_solver("constant"))
    fine: ClassVar[Example] = Example(_solver("xavier"))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """One warning for the net; it names the layers that do not learn, and those whose weights are 0."""
        net = known.learner
        if net is None:
            return
        graph, levels = net.graph, known.levels(net)
        if not any(levels[_factor(node)] == 0 for node in graph.nodes if node.layer.passing.factor is not None):
            return
        stuck = unmoved(graph, levels) - unmoved(graph, [None] * len(levels))
        causes = [node for node in graph.nodes if _is_zero(net, node, levels, stuck)]
        if not stuck or not causes:
            return
        layers = [node for node in graph.nodes if stuck.intersection(node.params)]
        names, zero = named([node.layer.name for node in layers]), named([node.layer.name for node in causes])
        which = "they begin" if layers == causes else f"those of {zero} begin"
        message = (
            f"the weights of {names} never learn: {which} at 0, and so every gradient there is 0 in every iteration"
        )
        field, first = _filler(causes[0]), graph.params[_factor(causes[0])]
        help = f"give {zero} a filler that draws numbers, like `{field}: xavier`"
        help = "the weights that were loaded are 0" if first.param.filler.level != 0 else help
        yield ZeroWeightsWarning(message, at=causes[0].layer.place(field), help=help)


def _is_zero(net: ShapedGraph, node: Node, levels: list[float | None], stuck: frozenset[int]) -> bool:
    """Whether a layer multiplies with zeros forever."""
    if node.layer.passing.factor is None:
        return False
    param = net.graph.params[_factor(node)]
    return levels[param.index] == 0 and (param.index in stuck or not param.learned)


def _factor(node: Node) -> int:
    """The param that the layer multiplies with."""
    slot = node.layer.passing.factor
    assert slot is not None
    return node.params[slot]


def _filler(node: Node) -> str:
    """The field that fills the factor: `weight_filler`, or `filler` of a Scale."""
    field = "weight_filler"
    return field if field in type(node.layer).model_fields else "filler"
