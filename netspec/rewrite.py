"""ShapedGraph to ShapedGraph: named rewrites, each listable, each can be switched off.

A rewrite may change how blobs lie in memory or which steps run, never what is computed. `layout` gives every layer one of the layouts
that it takes, and puts a conversion where a blob lies otherwise than a reader wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from netspec.graph import Blob, GraphParam, Node
from netspec.infer import Cost, ShapedGraph
from netspec.layers._layout import Conversion
from netspec.shape import Shape

PLAIN = "NCHW"


def layout(shaped: ShapedGraph) -> ShapedGraph:
    """Choose how each layer's blobs of four axes lie in memory; where two layers disagree, convert."""
    return _Layout(shaped).rewritten()


class _Layout:
    """Walks the layers in order, and puts each conversion directly before the first layer that wants it."""

    def __init__(self, shaped: ShapedGraph) -> None:
        self.shaped, self.graph = shaped, shaped.graph
        self.nodes: list[Node] = []
        self.blobs, self.shapes = list(self.graph.blobs), list(shaped.blobs)
        self.costs: list[Cost] = []
        self.moved: dict[int, int] = {}
        """The new index of every layer."""
        self.copies: dict[tuple[int, str], int] = {}

    def rewritten(self) -> ShapedGraph:
        for node in self.graph.nodes:
            self.place(node)
        asked = {b for node in self.nodes for b, flag in zip(node.bottoms, node.propagate, strict=True) if flag}
        for index in self.copies.values():
            copy = self.blobs[index] = replace(self.blobs[index], needs_diff=index in asked)
            self.nodes[copy.producer] = replace(self.nodes[copy.producer], propagate=(index in asked,), backward=index in asked)
        params = tuple(map(self.param, self.graph.params))
        graph = replace(self.graph, nodes=tuple(self.nodes), blobs=tuple(self.blobs), params=params)
        return replace(self.shaped, graph=graph, blobs=tuple(self.shapes), costs=tuple(self.costs))

    def place(self, node: Node) -> None:
        word = self.choose(node)
        bottoms = tuple(self.wanted(bottom, word, node) for bottom in node.bottoms)
        self.moved[node.index] = index = len(self.nodes)
        scale = None if node.scale is None else self.moved[node.scale]
        self.nodes.append(replace(node, index=index, bottoms=bottoms, layout=word, scale=scale))
        self.costs.append(self.shaped.costs[node.index])
        for top in node.tops:
            self.blobs[top] = replace(self.blobs[top], producer=index, layout=word if len(self.shapes[top]) == 4 else PLAIN)

    def choose(self, node: Node) -> str:
        """That of the first bottom of four axes where the layer takes it, else what the layer likes best."""
        followed = next((self.blobs[b].layout for b in node.bottoms if len(self.shapes[b]) == 4), "")
        return followed if followed in node.layer.layouts else node.layer.layouts[0]

    def wanted(self, blob: int, word: str, reader: Node) -> int:
        """The blob, or its copy in the layout that a reader wants."""
        if len(self.shapes[blob]) != 4 or self.blobs[blob].layout == word:
            return blob
        if (blob, word) not in self.copies:
            self.copies[blob, word] = self.convert(self.blobs[blob], self.shapes[blob], word, reader)
        return self.copies[blob, word]

    def convert(self, blob: Blob, shape: Shape, word: str, reader: Node) -> int:
        index, producer = len(self.blobs), len(self.nodes)
        same = shape[1] == 1 or shape[2] * shape[3] == 1
        layer = Conversion.model_construct(name=f"{blob.label} -> {reader.layer.name}", to="NHWC" if word == "NHWC" else "NCHW", same=same)
        self.nodes.append(Node(producer, layer, (blob.index,), (index,), (), (False,), layout=word))
        self.costs.append(Cost(field=self.shaped.costs[self.graph.blobs[blob.index].producer].field))
        self.blobs.append(replace(blob, index=index, producer=producer, slot=0, loss_weight=0.0, layout=word, copy_of=blob.index))
        self.shapes.append(shape)
        return index

    def param(self, param: GraphParam) -> GraphParam:
        return replace(param, users=tuple((self.moved[node], slot) for node, slot in param.users))


REWRITES: dict[str, Callable[[ShapedGraph], ShapedGraph]] = {"layout": layout}


def rewrite(shaped: ShapedGraph, without: Collection[str] = ()) -> ShapedGraph:
    """All rewrites in order, but for those named in `without`."""
    for name, one in REWRITES.items():
        if name not in without:
            shaped = one(shaped)
    return shaped
