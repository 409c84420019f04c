"""Filters: the weights of a layer as pictures of what it looks for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec.core.shape import Shape, text
from netspec.net.graph import Node
from netspec.net.shaped import ShapedGraph
from netspec.study.shown import NothingToShowError, Shown

if TYPE_CHECKING:
    from netspec.core.calls import Array

_COLOURS = 3


@dataclass(frozen=True, eq=False)
class Filters:
    """The weights (K, C, H, W) of a layer: K filters, each a plane (H, W) for every channel C that it reads.

    `colour`: the channels are red, green and blue, in this order.
    """

    net: str
    layer: str
    type: str
    weights: Array
    colour: bool

    @property
    def said(self) -> str:
        """Which layer, and how large its weights are."""
        import numpy as np

        size = float(np.abs(self.weights).max(initial=0.0))
        return f"{self.layer} ({self.type}): weights {text(self.weights.shape)}, of at most {size:.3g}"


def filters(shown: Shown, layer: str | None = None) -> Filters:
    """The filters of a layer, by default of the first that has any. Raises NothingToShowError, NotThereError."""
    shaped = shown.written
    node = _first(shaped) if layer is None else shown.node(layer)
    if not _filtering(shaped, node):
        there = [one.layer.name for one in shaped.graph.nodes if _filtering(shaped, one)]
        fault = f"layer '{node.layer.name}' is {_article(node.layer.type)}, which has no filters"
        raise NothingToShowError(fault, help=f"layers that have: {', '.join(there[:8])}" if there else None)
    weights = next(array for array in shown.params(node.layer.name).values() if array.ndim > 1)
    read = _read(shaped, node)
    weights = _planes(weights, node, read)
    colour = weights.shape[1] == _COLOURS and min(weights.shape[2:]) > 1 and _given(shaped, node)
    if colour and shown.order == "bgr":
        weights = weights[:, ::-1]
    return Filters(shown.title, node.layer.name, node.layer.type, weights, colour)


def _first(shaped: ShapedGraph) -> Node:
    """The first layer with filters. Raises NothingToShowError."""
    found = next((node for node in shaped.graph.nodes if _filtering(shaped, node)), None)
    if found is None:
        raise NothingToShowError(f"no layer of the net '{shaped.graph.name}' has filters")
    return found


def _filtering(shaped: ShapedGraph, node: Node) -> bool:
    """Whether a layer has a param of two axes or more."""
    return any(len(shape) > 1 for shape in node.layer.param_shapes(shaped.bottom_shapes(node)))


def _above(shaped: ShapedGraph, node: Node) -> int:
    """The blob that a layer reads, before it was made flat."""
    blob = node.bottoms[0]
    maker = shaped.graph.nodes[shaped.graph.blobs[blob].producer]
    return _above(shaped, maker) if maker.layer.type == "Flatten" else blob


def _read(shaped: ShapedGraph, node: Node) -> Shape:
    """The shape of a sample that a layer reads."""
    return shaped.sample_shape(_above(shaped, node))


def _given(shaped: ShapedGraph, node: Node) -> bool:
    """Whether a layer reads an input of the net."""
    return _above(shaped, node) in shaped.graph.inputs


def _planes(weights: Array, node: Node, read: Shape) -> Array:
    """Weights as (K, C, H, W); those of a dense layer on images have the form of the image."""
    import numpy as np

    if weights.ndim == 2:
        weights = weights.T if getattr(node.layer, "transpose", False) else weights
        fits = len(read) == 3 and min(read[1:]) > 1 and weights.shape[1] == int(np.prod(read))
        return weights.reshape(len(weights), *read) if fits else weights[None, None]
    if weights.ndim == 3:
        return weights[:, None]
    return weights.reshape(*weights.shape[:2], -1, weights.shape[-1])  # the planes of a volume one below the other


def _article(word: str) -> str:
    return f"{'an' if word[:1] in 'AEIOU' else 'a'} {word}"
