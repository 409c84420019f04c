"""Rewrites that spare passes over memory: gradients that lie in one place, and BatchNorms whose work others do.

`hands` lets a sum's gradient stand for those of its bottoms. `on_read`, `moments`, `products` and `pulled` take from a
BatchNorm, with the Scale and ReLU that it computes along, the passes over its blobs one by one (`core/beside.py`), and
`known` the pass over what an earlier BatchNorm read too; each can be left out. What a layer's kernels can do for others
it says in `Layer.beside`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

from netspec.core.shape import count
from netspec.engine.flows import Flow, flows
from netspec.layers.batch_norm import BatchNorm
from netspec.net.graph import Fused, Graph, Node
from netspec.net.shaped import ShapedGraph


class _Span(NamedTuple):
    """When a gradient lies in its memory: the first layer whose backward changes it, once it is begun, or -1; the last
    that reads it. Backward runs from high indices to low.
    """

    changed: int
    read: int


def hands(shaped: ShapedGraph) -> ShapedGraph:
    """Let gradients of a sum's bottoms lie in the memory of its top's, where each is read before others change it."""
    graph = shaped.graph
    found = flows(graph)
    nodes = list(graph.nodes)
    shared: dict[int, _Span] = {}
    """For the tops of such sums, or first bottoms of thinned ones: the span of all gradients that lie there."""
    for node in graph.nodes:
        able = node.layer.abilities.hands and node.backward and graph.runs(node) and len(node.tops) == 1
        slots = _handed(shaped, node, found, shared) if able else []
        if slots:
            nodes[node.index] = replace(node, hands=frozenset(slots))
            home, bottoms = graph.storage[node.hands_to], [graph.storage[node.bottoms[slot]] for slot in slots]
            spans = [_span(graph, storage, found, shared) for storage in (home, *bottoms)]
            shared[home] = _Span(max(one.changed for one in spans), min(one.read for one in spans))
    return replace(shaped, graph=replace(graph, nodes=tuple(nodes)))


def _handed(shaped: ShapedGraph, node: Node, found: dict[int, Flow], shared: dict[int, _Span]) -> list[int]:
    """The bottoms whose gradients may lie in the top's gradient; of a thinned sum, in that of bottom 0."""
    graph = shaped.graph
    top = node.tops[0]
    if not _alone(graph, graph.storage[top], found) or not found[graph.storage[top]].writers:
        return []
    alike = [
        slot
        for slot, bottom in enumerate(node.bottoms)
        if node.propagate[slot]
        and _alone(graph, graph.storage[bottom], found)
        and shaped.blobs[bottom] == shaped.blobs[node.hands_to]
        and graph.blobs[bottom].layout == graph.blobs[top].layout
        and graph.storage[bottom] != graph.storage[top]
        and [graph.storage[other] for other in node.bottoms].count(graph.storage[bottom]) == 1
        and _begun(found[graph.storage[bottom]], node, slot)
    ]
    spans = {slot: _span(graph, graph.storage[node.bottoms[slot]], found, shared) for slot in alike}
    slots = [slot for slot in alike if all(spans[slot].changed < spans[other].read for other in alike if other != slot)]
    if not node.thinned:
        return slots
    return [slot for slot in slots if slot] if 0 in slots else []


def _span(graph: Graph, storage: int, found: dict[int, Flow], shared: dict[int, _Span]) -> _Span:
    """The span of a gradient, or of all that lie in one memory with it."""
    alone = _Span(max(_changes(graph, storage, found), default=-1), graph.maker(storage).index)
    return shared.get(storage, alone)


def _changes(graph: Graph, storage: int, found: dict[int, Flow]) -> Iterator[int]:
    """The layers whose backward changes a gradient in its memory: all writers but the first, and who masks it there."""
    yield from (index for index, _ in found[storage].writers[1:])
    for maker in _writers(graph, storage):
        if maker.in_place or ("ReLU" in maker.along and not isinstance(maker.layer, BatchNorm)):
            yield maker.index


def _alone(graph: Graph, storage: int, found: dict[int, Flow]) -> bool:
    """Whether a gradient has memory of its own that nobody looks at from outside."""
    blobs = [blob for blob in graph.blobs if graph.storage[blob.index] == storage]
    seen = any(blob.kept or blob.loss_weight for blob in blobs)
    return storage in found and graph.blobs[storage].inside is None and not seen


def _begun(flow: Flow, node: Node, slot: int) -> bool:
    """Whether a layer writes a gradient first, and all others add to that."""
    return flow.writers[:1] == ((node.index, slot),) and flow.adding.issuperset(flow.writers[1:]) and not flow.seed


def _each(shaped: ShapedGraph, word: str, of: Callable[[ShapedGraph, Node, BatchNorm], Fused | None]) -> ShapedGraph:
    """Every BatchNorm of images with channels last, with what `of` says that others do for it under a word."""
    for node in shaped.graph.nodes:
        layer = node.layer
        if not isinstance(layer, BatchNorm) or node.layout != "NHWC" or not shaped.graph.runs(node):
            continue
        fused = of(shaped, shaped.graph.nodes[node.index], layer) if len(shaped.blobs[node.bottoms[0]]) == 4 else None
        if fused is not None:
            nodes = list(shaped.graph.nodes)
            now = nodes[node.index]
            handed = now.hands | {0} if word == "pulled" else now.hands
            nodes[node.index] = replace(now, fused={**now.fused, word: fused}, hands=handed)
            shaped = replace(shaped, graph=replace(shaped.graph, nodes=tuple(nodes)))
    return shaped


def on_read(shaped: ShapedGraph) -> ShapedGraph:
    """Let the readers of a BatchNorm's top normalise its bottom as they read it; the top is not written."""

    def of(shaped: ShapedGraph, node: Node, layer: BatchNorm) -> Fused | None:
        graph = shaped.graph
        storage = graph.storage[node.tops[0]]
        blobs = [blob for blob in graph.blobs if graph.storage[blob.index] == storage]
        readers = [(graph.nodes[index], slot) for blob in blobs for index, slot in graph.readers(blob.index)]
        running = [(reader, slot) for reader, slot in readers if graph.runs(reader)]
        looked = any(blob.kept or blob.loss_weight or not graph.readers(blob.index) for blob in blobs)
        fits = storage == node.tops[0] and graph.blobs[storage].inside is None and not looked
        fits = fits and not any(other.onto in {blob.index for blob in blobs} for other in graph.nodes)
        fits = fits and not (node.bottoms[0] in graph.inputs and graph.phase == "TEST")
        able = all(
            slot in does.reads
            and reader.layout == "NHWC"
            and not (reader.in_place and slot == 0)
            and (does.pitched or graph.dense(node.bottoms[0]))
            for reader, slot in running
            for does in [reader.layer.beside(shaped.bottom_shapes(reader))]
        )
        return Fused() if fits and running and able else None

    return _each(shaped, "on_read", of)


def moments(shaped: ShapedGraph) -> ShapedGraph:
    """Let the layer that writes a BatchNorm's bottom leave the sums from which mean and variance come."""
    asked: set[int] = set()

    def of(shaped: ShapedGraph, node: Node, layer: BatchNorm) -> Fused | None:
        graph = shaped.graph
        maker = graph.maker(node.bottoms[0])
        pieces = maker.layer.beside(shaped.bottom_shapes(maker)).moments if maker.bottoms else 0
        mine = graph.storage[node.bottoms[0]] == graph.storage[maker.tops[0]] and maker.layout == "NHWC"
        last = all(other.index == maker.index or not other.in_place for other in _writers(graph, node.bottoms[0]))
        if not pieces or layer.running(graph.phase) or not mine or not last or maker.index in asked or maker.onto:
            return None
        asked.add(maker.index)
        return Fused(maker.index, 0, pieces)

    return _each(shaped, "moments", of)


def known(shaped: ShapedGraph) -> ShapedGraph:
    """Let a BatchNorm take the moments of its first channels from an earlier one that normalises just those.

    The bottoms of BatchNorms that run backward stay as they are, so both see the same values.
    """
    graph = shaped.graph
    nodes, read = list(graph.nodes), dict[tuple[int, int], list[Node]]()
    for node in graph.nodes:
        layer = node.layer
        if not isinstance(layer, BatchNorm) or layer.running(graph.phase) or not (node.backward and graph.runs(node)):
            continue
        storage = graph.storage[node.bottoms[0]]
        if node.layout != "NHWC" or len(shaped.blobs[node.bottoms[0]]) != 4 or storage != node.bottoms[0]:
            continue
        before = read.setdefault(graph.blobs[storage].inside or (storage, 0), [])
        fits = [other for other in before if _channels(shaped, other) <= _channels(shaped, node)]
        if fits and "moments" not in node.fused:
            first = max(fits, key=lambda other: _channels(shaped, other))
            nodes[node.index] = replace(node, known=first.index)
        before.append(node)
    return replace(shaped, graph=replace(graph, nodes=tuple(nodes)))


def _channels(shaped: ShapedGraph, node: Node) -> int:
    """The channels of a layer's bottom."""
    return shaped.blobs[node.bottoms[0]][1]


def _writers(graph: Graph, blob: int) -> Iterator[Node]:
    """The layers that run and write into the memory of a blob."""
    for other in graph.blobs:
        if graph.storage[other.index] == graph.storage[blob]:
            yield graph.maker(other.index)


def products(shaped: ShapedGraph) -> ShapedGraph:
    """Let the last layer that writes the gradient of a BatchNorm's top mask it, and leave the sums over it."""
    found = flows(shaped.graph)

    def of(shaped: ShapedGraph, node: Node, layer: BatchNorm) -> Fused | None:
        graph = shaped.graph
        storage = graph.storage[node.tops[0]]
        changed = any(other.in_place for other in _writers(graph, storage))
        if changed or not node.backward or not _alone(graph, storage, found) or not found[storage].writers:
            return None
        writers, adding = found[storage].writers, found[storage].adding
        index, slot = writers[-1]
        last = graph.nodes[index]
        able = last.layer.beside(shaped.bottom_shapes(last)).products
        pieces = able[slot] if slot < len(able) else 0
        learns = any(graph.params[param].learned for param in _params(graph, node))
        needed = learns or not layer.running(graph.phase)
        direct = adding.issuperset(writers[1:]) and not found[storage].seed and last.layout == "NHWC"
        others = (other for other in _beside(graph, found, storage) if graph.maker(other).index < index)
        spoils = "ReLU" in node.along and next(others, None) is not None
        return Fused(index, slot, pieces) if pieces and needed and direct and not spoils else None

    return _each(shaped, "products", of)


def _params(graph: Graph, node: Node) -> Iterator[int]:
    """The params of a layer and of those that it computes along."""
    for one in (node, *(graph.nodes[index] for index in node.along.values())):
        yield from one.params


def pulled(shaped: ShapedGraph) -> ShapedGraph:
    """Let the layer that wrote a BatchNorm's bottom compute that bottom's gradient as its own backward reads it."""
    found = flows(shaped.graph)

    def of(shaped: ShapedGraph, node: Node, layer: BatchNorm) -> Fused | None:
        graph = shaped.graph
        bottom, top = graph.storage[node.bottoms[0]], graph.storage[node.tops[0]]
        wanted = node.backward and node.propagate[0] and _alone(graph, bottom, found) and _alone(graph, top, found)
        maker = graph.maker(bottom)
        if not wanted or not maker.backward or len(maker.tops) != 1 or maker.layout != "NHWC" or "ReLU" in maker.along:
            return None
        sole = found[bottom].writers == ((node.index, 0),) and not found[bottom].seed
        mine = graph.storage[maker.tops[0]] == bottom and not any(one.in_place for one in _writers(graph, bottom))
        able = maker.layer.beside(shaped.bottom_shapes(maker)).pulls and bool(found[top].writers)
        begun = next((index for index, _ in found[top].writers), 0)
        still = not any(maker.index <= index < begun for index in _later(graph, found, top))
        return Fused(maker.index) if sole and mine and able and still else None

    return _each(shaped, "pulled", of)


def _later(graph: Graph, found: dict[int, Flow], storage: int) -> Iterator[int]:
    """The layers that change a gradient's memory on behalf of others that lie there."""
    others = set(_beside(graph, found, storage))
    for other in others:
        yield from _changes(graph, other, found)
    for norm in graph.nodes:
        if "products" in norm.fused and graph.storage[norm.tops[0]] in others:
            yield norm.fused["products"].node


def _beside(graph: Graph, found: dict[int, Flow], storage: int) -> Iterator[int]:
    """The other storages whose gradients lie in the same memory."""
    root = graph.diff_storage[storage]
    yield from (other for other in found if other != storage and graph.diff_storage[other] == root)


LARGE = 20 * 2**20
"""Bytes of a sum from which it is computed anew: while all is kept for backward, it is memory that counts."""


def again(shaped: ShapedGraph) -> ShapedGraph:
    """Let a large sum of images be computed anew in backward, from what is kept anyway, and not be kept itself."""
    graph = shaped.graph
    nodes, found = list(graph.nodes), flows(graph)
    at: dict[int, int] = {}
    """For every storage that is made again, the layer in whose backward."""
    for node in reversed(graph.nodes):
        if len(node.tops) != 1 or not graph.runs(node):
            continue
        storage = graph.storage[node.tops[0]]
        readers = [one for one in graph.running(storage) if "bottom" in one.reads]
        if readers and _remade(shaped, node, storage, found):
            index = max(at.get(storage, 0), *(one.index for one in readers))
            nodes[node.index] = replace(node, again=index)
            for bottom in node.bottoms:
                before = graph.storage[bottom]
                at[before] = max(index, at.get(before, index))
    return replace(shaped, graph=replace(graph, nodes=tuple(nodes)))


def _remade(shaped: ShapedGraph, node: Node, storage: int, found: dict[int, Flow]) -> bool:
    """Whether a layer is a large sum of images whose values nobody but its readers' backward wants later."""
    graph = shaped.graph
    sums = node.layer.abilities.hands and node.backward and node.layout == "NHWC" and not node.in_place
    large = 4 * count(shaped.blobs[storage]) >= LARGE
    own = _alone(graph, storage, found) and graph.storage[node.tops[0]] == node.tops[0]
    blobs = [blob.index for blob in graph.blobs if graph.storage[blob.index] == storage]
    writers = {graph.maker(blob).index for blob in blobs} == {node.index}
    ended = any(not graph.readers(blob) and blob == graph.house(blob) for blob in blobs)
    norms = any(isinstance(one.layer, BatchNorm) for one in graph.running(storage))
    moments = any(word == "moments" for word, _ in graph.norms.get(node.index, ()))
    free = all(_kept(graph, bottom) for bottom in node.bottoms)
    return bool(sums and large and own and writers and free and not ended and not norms and not moments)


def _kept(graph: Graph, blob: int) -> bool:
    """Whether backward reads a blob anyway, or what stands for it where it is not written."""
    maker = graph.maker(blob)
    reads = "top" in maker.reads or any("bottom" in one.reads for one in graph.running(graph.storage[blob]))
    return reads or "on_read" in maker.fused
