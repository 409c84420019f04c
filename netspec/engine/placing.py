"""The rewrite `place`: what a Concat joins is written where it will lie, and read there.

Layers write directly into the top of the Concat that joins their tops, and so does a Concat whose top another one
joins: a chain of Concats lies in one wide blob, the top of the last. Gradients likewise. Other layers may read a part
of the wide blob too, if their kernels take pixels that lie further apart than they have channels. The readers of the
whole blob write all of its gradient before those add to their parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from netspec.layers.concat import Concat
from netspec.net.graph import Graph, GraphBlob, Node
from netspec.net.shaped import ShapedGraph

Members = Mapping[int, Sequence[GraphBlob]]
"""Blobs that share memory, by their storage."""


def place(shaped: ShapedGraph) -> ShapedGraph:
    """Let layers write directly into the top of a Concat, in NHWC; gradients likewise.

    Only where they make up half of the Concat's top or more, or where that lies inside a wider blob itself. The top is
    then alive from the first of them on, which costs more memory than it saves where they are a smaller part.
    """
    graph = shaped.graph
    members: dict[int, list[GraphBlob]] = {}
    for blob in graph.blobs:
        members.setdefault(graph.storage[blob.index], []).append(blob)
    blobs, adding = list(graph.blobs), set[int]()
    for node in reversed(graph.nodes):  # the outermost first
        if not _joins_channels(shaped, node):
            continue
        top = blobs[node.tops[0]]
        whole, first = top.inside or (top.index, 0)
        shapes = shaped.bottom_shapes(node)
        inside: dict[int, tuple[int, int]] = {}
        for slot, bottom in enumerate(node.bottoms):
            blob = graph.blobs[graph.storage[bottom]]
            if _fits(shaped, members, node, slot, whole):
                inside[blob.index] = (whole, first + sum(shape[1] for shape in shapes[:slot]))
        if top.inside or 2 * sum(shaped.blobs[blob][1] for blob in inside) >= shaped.blobs[top.index][1]:
            for index, where in inside.items():
                blobs[index] = replace(blobs[index], inside=where)
                adding |= {other.index for other in _others(graph, members[index], node)}
    nodes = tuple(replace(node, adds=node.adds or node.index in adding) for node in graph.nodes)
    return replace(shaped, graph=replace(graph, nodes=nodes, blobs=tuple(blobs)))


def _joins_channels(shaped: ShapedGraph, node: Node) -> bool:
    """Whether a layer is a Concat of channels that are innermost."""
    layer = node.layer
    if not isinstance(layer, Concat) or not shaped.graph.runs(node) or node.layout != "NHWC":
        return False
    shape = shaped.bottom_shapes(node)[0]
    return len(shape) == 4 and layer.joint(shape) == 1


def _fits(shaped: ShapedGraph, members: Members, node: Node, slot: int, whole: int) -> bool:
    """Whether bottom `slot` of a Concat can lie inside a wider blob, for its producer and for all who read it."""
    graph = shaped.graph
    blob = graph.blobs[graph.storage[node.bottoms[slot]]]
    mine, top, maker = members[blob.index], graph.blobs[node.tops[0]], graph.nodes[blob.producer]
    alike = len(maker.tops) == 1 and blob.layout == node.layout
    if not (alike and maker.layer.pitched(shaped.bottom_shapes(maker))) or _readers(graph, mine).count(node.index) > 1:
        return False
    if any(other.onto == one.index for one in mine for other in graph.nodes):
        return False
    looked = any(one.kept and one.needs_diff for one in members[whole])  # readers of parts add to its gradient
    if looked or any(one.loss_weight or one.kept for one in mine):
        return False
    flows = (node.propagate[slot] and top.needs_diff) or not blob.needs_diff
    others = _others(graph, mine, node)
    overwritten = any(graph.nodes[one.producer].in_place for one in members[whole])
    reread = "top" in maker.reads or any("bottom" in other.reads for other in others)
    given = any(graph.nodes[at].propagate[i] for one in members[whole] for at, i in graph.readers(one.index))
    able = all(_reads_inside(shaped, other, node, given or not blob.needs_diff) for other in others)
    return flows and able and not (overwritten and reread)


def _reads_inside(shaped: ShapedGraph, node: Node, joins: Node, given: bool) -> bool:
    """Whether a layer can read what lies inside a wider blob and add to its gradient, which others wrote before.

    `given`: somebody writes the gradient of the whole.
    """
    able = shaped.graph.runs(node) and len(node.bottoms) == 1 and node.layout == joins.layout
    adds = node.layer.abilities.adds and given and node.index < joins.index
    return able and node.layer.reads_pitched(shaped.bottom_shapes(node)) and (adds or not any(node.propagate))


def _others(graph: Graph, blobs: Sequence[GraphBlob], node: Node) -> list[Node]:
    """The layers beside `node` that read these blobs."""
    return [graph.nodes[index] for index in _readers(graph, blobs) if index != node.index]


def _readers(graph: Graph, blobs: Sequence[GraphBlob]) -> list[int]:
    """The layers that read these blobs, as often as they do; absorbed layers do not count."""
    found = (index for blob in blobs for index, _ in graph.readers(blob.index))
    return [index for index in found if not graph.nodes[index].absorbed]
