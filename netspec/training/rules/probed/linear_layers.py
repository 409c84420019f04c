"""LinearLayers: dense layers after one another without an activation between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import ClassVar

from netspec.core.errors import Caution, NetspecError
from netspec.core.shape import count
from netspec.layers.inner_product import InnerProduct
from netspec.net.graph import Graph, Node
from netspec.net.shaped import ShapedGraph
from netspec.training.rules.base import Example
from netspec.training.rules.base_examples import product, solver
from netspec.training.rules.probed.base import Probed, ProbeRule


class LinearLayersWarning(Caution):
    """Two dense layers follow one another without an activation: together they compute what one can."""

    code = "NS823"


THROUGH = ("BatchNorm", "Scale", "Bias")
"""Layer types that leave a linear function linear, but for what they measure."""


class LinearLayers(ProbeRule):
    """An InnerProduct that reads nothing but another one, which has no fewer outputs than either has values.

    A narrower one in between is let pass: it is a bottleneck, which limits what the two can compute.
    """

    finding: ClassVar[type[NetspecError]] = LinearLayersWarning
    wrong: ClassVar[Example] = Example(solver([product("hidden")]))
    fine: ClassVar[Example] = Example(solver([product("hidden"), {"name": "relu", "type": "ReLU"}]))

    def look(self, probed: Probed) -> Iterator[NetspecError]:
        """One warning for the first such pair of a net."""
        net = probed.known.learner
        pairs = [] if net is None else list(_pairs(net))
        for below, above in pairs[:1]:
            more = f" (and {len(pairs) - 1} more such)" if len(pairs) > 1 else ""
            message = (
                f"no activation stands between '{below.layer.name}' and '{above.layer.name}': two dense layers "
                f"compute no more than one does{more}"
            )
            help = f"put an activation after '{below.layer.name}', like `{{name: relu, type: ReLU}}`"
            yield LinearLayersWarning(message, at=above.layer.place(), help=help)


def _pairs(net: ShapedGraph) -> Iterator[tuple[Node, Node]]:
    """An InnerProduct that learns, and the one that reads it, where together they are no bottleneck."""
    graph = net.graph
    readers = Counter(blob for node in graph.nodes for blob in node.bottoms)
    for above in graph.nodes:
        below = _product(graph, above.bottoms[0], readers) if isinstance(above.layer, InnerProduct) else None
        if below is None or not any(graph.params[param].learned for param in below.params):
            continue
        (inputs, hidden), (_, outputs) = _sizes(net, below), _sizes(net, above)
        if hidden >= min(inputs, outputs):
            yield below, above


def _sizes(net: ShapedGraph, node: Node) -> tuple[int, int]:
    """The numbers of values that an InnerProduct reads and gives."""
    outputs = net.blobs[node.tops[0]][-1]
    return count(net.params[node.params[0]]) // outputs, outputs


def _product(graph: Graph, blob: int, readers: Mapping[int, int]) -> Node | None:
    """The InnerProduct that a blob is a linear function of and that nothing else reads; None without one."""
    while blob not in graph.inputs and readers.get(blob) == 1:
        node = graph.nodes[graph.blobs[blob].producer]
        if isinstance(node.layer, InnerProduct):
            return node
        if node.layer.type not in THROUGH and not node.layer.aliases(graph.phase):
            return None
        blob = graph.original(node.bottoms[0])
    return None
