"""The rewrite `thin`: a sum that only strided convolutions of one tap read is computed where they read it.

The sum's top then has every so many lines and columns of its bottoms, side by side, and the convolutions' stride is 1.
At all other pixels the sum has no gradient. So it is between the stages of residual nets whose stride stands in 1x1
convolutions, as in He et al. 2015.
"""

from __future__ import annotations

from dataclasses import replace

from netspec.core.shape import Shape
from netspec.net.graph import Graph, Node
from netspec.net.shaped import ShapedGraph


def thin(shaped: ShapedGraph) -> ShapedGraph:
    """Let sums be computed at the pixels that their readers look at, and only there."""
    for index in range(len(shaped.graph.nodes)):
        graph = shaped.graph
        node = graph.nodes[index]
        if not _fits(shaped, node):
            continue
        blobs = lying(graph, node)
        readers = list(graph.running(node.tops[0]))
        steps = {one.layer.every(shaped.bottom_shapes(one)) for one in readers}
        alike = len(steps) == 1 and all(len(one.bottoms) == 1 and one.layout == "NHWC" for one in readers)
        if not alike or (1, 1) in steps or any(not graph.dense(top) for one in readers for top in one.tops):
            continue
        (every,) = steps
        nodes, shapes = list(graph.nodes), list(shaped.blobs)
        nodes[index] = replace(node, every=every)
        for one in readers:
            nodes[one.index] = replace(one, layer=one.layer.dense())
        for blob in blobs:
            shapes[blob] = thinned(shapes[blob], every)
        whole = {**shaped.whole, **{blob: shaped.blobs[blob] for blob in blobs}}
        shaped = replace(shaped, graph=replace(graph, nodes=tuple(nodes)), blobs=tuple(shapes), whole=whole)
    return shaped


def thinned(shape: Shape, every: tuple[int, int]) -> Shape:
    """(N, C, H, W) with every so many lines and columns, from the first on."""
    (down, across), (n, c, h, w) = every, shape
    return n, c, -(-h // down), -(-w // across)


def lying(graph: Graph, node: Node) -> list[int]:
    """The blobs that lie in the memory of a layer's top."""
    return [blob for blob, storage in enumerate(graph.storage) if storage == node.tops[0]]


def _fits(shaped: ShapedGraph, node: Node) -> bool:
    """Whether a layer adds two blobs of images to a third, alone, at whose pixels nobody looks but its readers."""
    graph = shaped.graph
    able = node.layer.abilities.thins and graph.runs(node) and node.layout == "NHWC" and not node.in_place
    if not able or len(node.bottoms) != 2 or len(shaped.blobs[node.bottoms[0]]) != 4 or node.onto is not None:
        return False
    blobs, home = lying(graph, node), {graph.storage[bottom] for bottom in node.bottoms}
    shape = shaped.blobs[node.bottoms[0]]
    mine = [graph.blobs[blob] for blob in blobs]
    looked = any(blob.kept or blob.loss_weight or not graph.readers(blob.index) for blob in mine)
    alike = all(shaped.blobs[blob] == shape and graph.blobs[blob].layout == "NHWC" for blob in blobs)
    written = any(graph.maker(blob).index != node.index for blob in blobs)
    written = written or any(other.onto in blobs for other in graph.nodes)
    return bool(blobs) and len(home) == 2 and graph.dense(node.tops[0]) and alike and not (looked or written)
