"""Verifier of the rewrite `thin`: what has only some pixels is read at no others."""

from __future__ import annotations

from netspec.core.verify import Check
from netspec.engine.thinning import lying, thinned
from netspec.net.graph import Node
from netspec.net.shaped import ShapedGraph


def verify_thinning(before: ShapedGraph, after: ShapedGraph, check: Check) -> None:
    """Blobs lost just the pixels at which no reader looked, and only their readers were exchanged.

    Raises InvariantError.
    """
    graph = after.graph
    homes = {home: node for node in graph.nodes if node.thinned for home in lying(graph, node)}
    for blob, shape in enumerate(before.blobs):
        wanted = thinned(shape, homes[blob].every) if blob in homes else shape
        check(after.blobs[blob] == wanted, "another shape than before", "", graph.blobs[blob].name)
    for mine, theirs in zip(graph.nodes, before.graph.nodes, strict=True):
        maker = homes.get(mine.bottoms[0]) if mine.bottoms else None
        if maker is None or not graph.runs(mine):
            check(mine.layer is theirs.layer, "the layer was exchanged", mine.layer.name)
            continue
        looks = theirs.layer.every(before.bottom_shapes(theirs))
        right = mine.layer == theirs.layer.dense() and looks == maker.every
        check(right, f"looks at other pixels than '{maker.layer.name}' computes", mine.layer.name)


def verify_thinned(shaped: ShapedGraph, check: Check) -> None:
    """Every layer whose top has only some pixels can compute it so, and nobody but its readers looks at that.

    Raises InvariantError.
    """
    for node in shaped.graph.nodes:
        if node.thinned:
            _thinned(shaped, node, check)


def _thinned(shaped: ShapedGraph, node: Node, check: Check) -> None:
    graph, name = shaped.graph, node.layer.name
    able = node.layer.abilities.thins and graph.runs(node) and node.layout == "NHWC" and len(node.bottoms) == 2
    own = graph.storage[node.tops[0]] == node.tops[0] and graph.dense(node.tops[0]) and node.onto is None
    check(able and own and not node.in_place, "cannot compute some pixels only", name)
    blobs = lying(graph, node)
    for blob in blobs:
        wanted = graph.blobs[blob].kept or graph.blobs[blob].loss_weight or not graph.readers(blob)
        check(not wanted, "lacks pixels, but is looked at", name, graph.blobs[blob].name)
        right = shaped.blobs[blob] == thinned(shaped.blobs[node.bottoms[0]], node.every)
        check(right, "has other pixels than its layer computes", name, graph.blobs[blob].name)
    for reader in graph.running(node.tops[0]):
        bottoms = shaped.bottom_shapes(reader)
        right = reader.layer.every(bottoms) == (1, 1) and reader.layer.top_shapes(bottoms) == shaped.top_shapes(reader)
        check(right, f"lacks pixels at which '{reader.layer.name}' looks", name)
