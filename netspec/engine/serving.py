"""What the BatchNorms beside a layer ask of it, when it is bound to arrays (`core/beside.py`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from netspec.engine.plan import Direction
from netspec.layers.batch_norm import BatchNorm
from netspec.net.graph import Graph, Node

if TYPE_CHECKING:
    from netspec.core.beside import Products
    from netspec.core.calls import Run


def asked(graph: Graph, node: Node, direction: Direction, run: Callable[[Node, Direction], Run]) -> dict[str, Any]:
    """The fields of a layer's Run that others ask for; `run(norm, direction)` is the Run of a BatchNorm."""
    found: dict[str, Any] = {}
    norms = [graph.unwritten.get(graph.storage[bottom]) for bottom in node.bottoms]
    if any(norms):
        found["lenses"] = tuple(norm and _layer(norm).lens(run(norm, direction)) for norm in norms)
    products: list[Products | None] = [None] * len(node.bottoms)
    for word, norm in graph.norms.get(node.index, ()):
        if (word == "moments") != (direction == "forward"):
            continue
        layer, own = _layer(norm), run(norm, direction)
        if word == "moments":
            found["moments"] = layer.moments(own)
        elif word == "pulled":
            found["pull"] = layer.pull(own)._replace(once=int(last(graph, norm)))
        else:
            products[norm.fused[word].slot] = layer.products(own)
    return found | ({"products": tuple(products)} if any(products) else {})


def last(graph: Graph, norm: Node) -> bool:
    """Whether the layer that sees the diff of a BatchNorm's top as that of its bottom is the last to want its memory.

    Else the diffs of a sum and of its other bottoms may lie there.
    """
    place, bottom = graph.storage[norm.tops[0]], graph.storage[norm.bottoms[0]]
    lying = {graph.storage[blob.index] for blob in graph.blobs if graph.diff_house(blob.index) == place}
    return place in lying and lying <= {place, bottom}


def _layer(node: Node) -> BatchNorm:
    assert isinstance(node.layer, BatchNorm)
    return node.layer
