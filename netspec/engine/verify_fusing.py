"""Verifier of the rewrites of `fusing`: gradients that lie in one place, and work that layers do for BatchNorms."""

from __future__ import annotations

from netspec.core.beside import PIECES
from netspec.core.verify import Check
from netspec.layers.batch_norm import BatchNorm
from netspec.net.graph import Graph, Node
from netspec.net.shaped import ShapedGraph


def verify_fused(shaped: ShapedGraph, check: Check) -> None:
    """Raises InvariantError."""
    graph = shaped.graph
    for node in graph.nodes:
        name = node.layer.name
        able = node.layer.abilities.hands or "pulled" in node.fused
        check(not node.hands or (able and node.backward and graph.runs(node)), "cannot hand a gradient down", name)
        check(not (node.thinned and 0 in node.hands), "hands bottom 0's gradient to itself", name)
        for slot in node.hands:
            bottom = graph.blobs[node.bottoms[slot]]
            alike = shaped.blobs[bottom.index] == shaped.blobs[node.hands_to] and node.propagate[slot]
            check(alike, "hands down a gradient of another shape, or none", name, bottom.name)
            check(not bottom.kept, "hands down a gradient that is looked at", name, bottom.name)
        if node.fused:
            _served(shaped, node, check)
        if node.known is not None:
            _known(shaped, node, graph.nodes[node.known], check)
    _whose(graph, check)


def _served(shaped: ShapedGraph, norm: Node, check: Check) -> None:
    """Others do work of a BatchNorm of images with channels last: each can, and deals with the right blob."""
    graph, name, layer = shaped.graph, norm.layer.name, norm.layer
    fits = isinstance(layer, BatchNorm) and graph.runs(norm) and norm.layout == "NHWC"
    check(fits and len(shaped.blobs[norm.bottoms[0]]) == 4, "is no BatchNorm of images", name)
    for word, at in norm.fused.items():
        other = graph.nodes[at.node] if at.node >= 0 else norm
        able = other.layer.beside(shaped.bottom_shapes(other))
        pieces = able.moments if word == "moments" else able.products[at.slot] if word == "products" else 0
        check(at.pieces == pieces <= PIECES and graph.runs(other), f"'{other.layer.name}' leaves other pieces", name)
        if word in {"moments", "pulled"}:
            own = graph.storage[other.tops[0]] == graph.storage[norm.bottoms[0]]
            check(own and other.onto is None, f"its bottom is not the top of '{other.layer.name}'", name)
        if word == "moments":
            check(not (isinstance(layer, BatchNorm) and layer.running(graph.phase)), "wants no moments", name)
        if word == "products":
            own = graph.storage[other.bottoms[at.slot]] == graph.storage[norm.tops[0]]
            check(own and other.propagate[at.slot], f"its top is not the bottom of '{other.layer.name}'", name)
            _last(graph, norm, other, check)
        if word == "pulled":
            check(able.pulls and "ReLU" not in other.along, f"'{other.layer.name}' does not see through it", name)
            check(0 in norm.hands and norm.propagate[0], "has no gradient to hand down", name)
            senders = [at for at in graph.readers(norm.bottoms[0]) if _sends(graph, *at)]
            check(senders == [(norm.index, 0)], "is not the only layer that sends its bottom a gradient", name)
    if "on_read" in norm.fused:
        _unwritten(shaped, norm, check)


def _known(shaped: ShapedGraph, norm: Node, other: Node, check: Check) -> None:
    """Both are BatchNorms of the batch that run backward, and the earlier one's bottom begins the later one's."""
    graph, name = shaped.graph, norm.layer.name
    for node in (norm, other):
        fits = isinstance(node.layer, BatchNorm) and not node.layer.running(graph.phase) and "bottom" in node.reads
        check(fits and graph.runs(node) and node.layout == "NHWC", "shares moments, but needs none", node.layer.name)
    places = []
    for node in (norm, other):
        blob = graph.blobs[node.bottoms[0]]
        check(graph.storage[blob.index] == blob.index, "shares moments of what may be overwritten", node.layer.name)
        places.append((*(blob.inside or (blob.index, 0)), shaped.blobs[blob.index][1]))
    (whole, first, width), (known, begin, channels) = places
    same = (whole, first) == (known, begin) and channels <= width and other.index < norm.index
    check(same, f"the moments of '{other.layer.name}' are not those of its first channels", name)
    check("moments" not in norm.fused, "has its moments from two layers", name)


def _unwritten(shaped: ShapedGraph, norm: Node, check: Check) -> None:
    """All who read the top can normalise, nobody writes there, and nobody wants it as it is."""
    graph, name, storage = shaped.graph, norm.layer.name, shaped.graph.storage[norm.tops[0]]
    for blob in (one for one in graph.blobs if graph.storage[one.index] == storage):
        wanted = blob.kept or blob.loss_weight or not graph.readers(blob.index)
        check(not wanted, "is wanted, but nobody writes it", name, blob.name)
        for index, slot in graph.readers(blob.index):
            reader = graph.nodes[index]
            if graph.runs(reader):
                does = reader.layer.beside(shaped.bottom_shapes(reader))
                sees = slot in does.reads and (does.pitched or graph.dense(norm.bottoms[0]))
                check(
                    sees and reader.layout == "NHWC",
                    f"'{reader.layer.name}' cannot normalise what it reads",
                    name,
                    blob.name,
                )
                check(not (reader.in_place and slot == 0), f"'{reader.layer.name}' writes over it", name, blob.name)
        check(graph.blobs[storage].inside is None, "lies inside another, but nobody writes it", name, blob.name)


def _last(graph: Graph, norm: Node, other: Node, check: Check) -> None:
    """No layer writes the gradient of a BatchNorm's top after `other` masked it."""
    storage = graph.storage[norm.tops[0]]
    for node in graph.nodes[: other.index]:
        for slot, bottom in enumerate(node.bottoms):
            late = graph.storage[bottom] == storage and _sends(graph, node.index, slot)
            check(not late, f"'{node.layer.name}' adds to a gradient that was summed already", norm.layer.name)


def _sends(graph: Graph, index: int, slot: int) -> bool:
    """Whether a layer computes the gradient of a bottom."""
    node = graph.nodes[index]
    return node.propagate[slot] and node.backward and graph.runs(node)


def _whose(graph: Graph, check: Check) -> None:
    """Each gradient is read while its memory still holds it, and not those of others that lie there too."""
    lying: dict[int, set[int]] = {}
    """The storages whose gradients a place holds, by place."""
    begun: set[int] = set()
    """The storages whose gradients some layer has written: others add to them."""
    for node in reversed(graph.nodes):
        if not (node.backward and graph.runs(node)):
            continue
        top = graph.storage[node.tops[0]] if node.tops else -1
        place = graph.diff_storage[top] if node.tops else -1
        if len(node.tops) == 1 and place in lying:
            held = lying[place]
            check(top in held, "reads a gradient over which others wrote", node.layer.name, graph.blobs[top].name)
            if node.in_place or ("ReLU" in node.along and not isinstance(node.layer, BatchNorm)):
                lying[place] = {top}  # changed where it lies
        for slot, bottom in enumerate(node.bottoms):
            storage = graph.storage[bottom]
            if not node.propagate[slot] or (node.in_place and slot == 0):
                continue
            kept = storage not in begun or storage in lying.get(graph.diff_storage[storage], ())
            check(kept, "adds to a gradient over which others wrote", node.layer.name, graph.blobs[bottom].name)
            begun.add(storage)
            if slot in node.hands:
                home = graph.storage[node.hands_to]
                same = graph.diff_storage[storage] == graph.diff_storage[home]
                check(same, "hands down a gradient that lies elsewhere", node.layer.name, graph.blobs[bottom].name)
                lying.setdefault(graph.diff_storage[home], {home}).add(storage)
            else:
                lying[graph.diff_storage[storage]] = {storage}
        for word, norm in graph.norms.get(node.index, ()):
            if word == "products" and "ReLU" in norm.along:
                masked = graph.storage[norm.tops[0]]
                lying[graph.diff_storage[masked]] = {masked}
