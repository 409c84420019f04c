"""Verifier of the memory plan: the uses of each piece of memory by layer and time, derived from the graph alone."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from netspec.core.shape import FLOAT_BYTES, Shape, count
from netspec.core.verify import Check
from netspec.engine.plan import ALIGN, FOLDED, SLACK, Key, MemoryPlan, Piece
from netspec.layers.batch_norm import KNOWN
from netspec.layers.concat import Concat
from netspec.net.graph import Graph, Node
from netspec.net.shaped import ShapedGraph

BYTES = {"uint8": 1, "int32": 4, "int64": 8, **FLOAT_BYTES}


class Use(NamedTuple):
    """A layer's use of a piece of memory at a time of the plan; at equal times reads sort before writes."""

    time: int
    writes: bool
    layer: str


def verify_plan(shaped: ShapedGraph, plan: MemoryPlan) -> None:
    """Verify that pieces are alive when used, written before read, and do not overlap. Raises InvariantError."""
    check, graph, end = Check("MemoryPlan"), shaped.graph, 2 * len(shaped.graph.nodes)
    check(plan.storage == graph.storage, "other storage than the graph's")
    for key, piece in plan.pieces.items():
        check(piece.key == key, f"piece {key} says that it is {piece.key}")
        check(piece.offset >= 0 and piece.offset % ALIGN == piece.bytes % ALIGN == 0, f"piece {key} is not aligned")
        check(piece.bytes >= count(piece.shape) * BYTES[piece.kind] + SLACK, f"piece {key} lacks its slack")
        check(piece.offset + piece.bytes <= plan.arena, f"piece {key} lies beyond the arena")
        check(-1 <= piece.first <= piece.last <= end, f"piece {key} is alive from {piece.first} to {piece.last}")
    total = sum(piece.bytes for piece in plan.pieces.values())
    check(plan.arena <= plan.unshared == total, "the arena takes more than every piece alone")
    _apart(plan.pieces.values(), check)
    _lifetimes(shaped, plan, check)
    _fixed(shaped, plan, check)


def _apart(pieces: Iterable[Piece], check: Check) -> None:
    """No two pieces that are alive at one time overlap. Each is compared with its neighbours at its first time."""
    begins = sorted(pieces, key=lambda piece: piece.begin)
    ends = sorted(begins, key=lambda piece: piece.end)
    living: list[tuple[int, int, Key]] = []
    dead = 0
    for piece in begins:
        while ends[dead].end < piece.begin:
            gone = ends[dead]
            living.pop(bisect_left(living, (gone.offset, gone.offset + gone.bytes)))
            dead += 1
        row = (piece.offset, piece.offset + piece.bytes, piece.key)
        at = bisect_left(living, row[:2])
        for start, stop, key in living[max(0, at - 1) : at + 1]:
            check(stop <= row[0] or row[1] <= start, f"pieces {piece.key} and {key} are alive at one time and overlap")
        insort(living, row, key=lambda one: one[:2])


def _fixed(shaped: ShapedGraph, plan: MemoryPlan, check: Check) -> None:
    """Fixed pieces belong to a net whose params stand still; each is of its workspace's shape, and they lie apart."""
    graph = shaped.graph
    wanted: dict[tuple[int, str], tuple[Shape, str]] = {}
    check(not plan.fixed or (graph.still and not plan.keep), "has fixed pieces, but params change or blobs are kept")
    for node in graph.nodes if plan.fixed else ():
        bottoms = shaped.bottom_shapes(node)
        if graph.runs(node):
            spaces = node.layer.workspaces(bottoms, False).items()
            wanted |= {(node.index, name): (one.shape, one.kind) for name, one in spaces if one.fixed}
        if node.folds:
            weight = node.layer.param_shapes(bottoms)[0]
            wanted |= {
                (node.index, name): (shape, "real") for name, shape in zip(FOLDED, (weight, weight[:1]), strict=True)
            }
    real = {(key[1], key[2]): (p.shape, "real" if p.kind == plan.dtype else p.kind) for key, p in plan.fixed.items()}
    kinds = {key: (shape, "real" if kind == plan.dtype else kind) for key, (shape, kind) in wanted.items()}
    check(not plan.fixed or real == kinds, "the fixed pieces are not those that layers want")
    at = 0
    for piece in sorted(plan.fixed.values(), key=lambda one: one.offset):
        check(piece.offset == at and at % ALIGN == 0, f"piece {piece.key} does not lie where the one before ends")
        at += piece.bytes
    check(at == plan.fixed_bytes, "the memory of fixed pieces is of another size")


def _lifetimes(shaped: ShapedGraph, plan: MemoryPlan, check: Check) -> None:
    """Every piece is used, has its blob's shape, is written first, and is alive from that write to its last use."""
    graph, end = shaped.graph, 2 * len(shaped.graph.nodes)
    kept = {graph.house(blob.index) for blob in graph.blobs if blob.kept}
    uses: dict[Key, list[Use]] = {}
    for key, use in _uses(shaped, plan, check):
        uses.setdefault(key, []).append(use)
    for key in uses.keys() - plan.pieces.keys():
        check(False, f"no piece {key}", uses[key][0].layer)
    for key, piece in plan.pieces.items():
        check(key in uses, f"piece {key} is used by no layer")
        first, last = min(uses[key]), max(uses[key])
        check(first.writes, f"piece {key} is read before it is written", first.layer)
        check(piece.first <= first.time, f"piece {key} is written at {first.time}, before it is alive", first.layer)
        check(last.time <= piece.last, f"piece {key} is read at {last.time}, when it is alive no more", last.layer)
        marked = piece.blob is not None and piece.blob in kept
        if (plan.keep and piece.lasting) or marked:
            check((piece.first, piece.last) == (-1, end), f"piece {key} is not kept")
        if piece.key[0] in {"data", "diff"}:
            right = piece.kind == plan.dtype and piece.shape == shaped.blobs[int(piece.key[1])]
            check(right, f"piece {key} is {piece.kind} {piece.shape}", blob=graph.blobs[int(piece.key[1])].label)


def _uses(shaped: ShapedGraph, plan: MemoryPlan, check: Check) -> Iterator[tuple[Key, Use]]:
    """Every use of every piece: by forward, by backward, and as a result at the end."""
    graph, end = shaped.graph, 2 * len(shaped.graph.nodes)
    for blob in (*graph.outputs, *graph.losses):
        yield ("data", graph.house(blob)), Use(end, False, graph.nodes[graph.blobs[blob].producer].layer.name)
    for blob in graph.inputs:
        yield ("data", graph.house(blob)), Use(-1, True, graph.nodes[graph.blobs[blob].producer].layer.name)
    for node in graph.nodes:
        if not graph.runs(node):
            continue
        name, back = node.layer.name, end - 1 - node.index
        yield from ((("data", graph.data_house(bottom)), Use(node.index, False, name)) for bottom in node.bottoms)
        if not set(node.tops) <= set(graph.inputs) and "on_read" not in node.fused:
            yield from ((("data", graph.house(top)), Use(node.index, True, name)) for top in node.tops)
        for word, blobs in (("bottom", node.bottoms), ("top", node.tops)):
            if word in node.reads:
                yield from _reads_back(graph, node, blobs)
        for one in graph.remakes(node):
            yield ("again", graph.storage[one.tops[0]]), Use(back, True, name)
            yield from _reads_back(graph, node, one.bottoms)
        yield from _spaces(shaped, plan, node, check)
        for word, norm in graph.norms.get(node.index, ()):
            if word != "moments":
                yield ("data", graph.house(norm.bottoms[0])), Use(back, False, name)
    for key, uses in _diff_uses(graph, plan, check):
        yield from ((key, use) for use in uses)


def _reads_back(graph: Graph, node: Node, blobs: Iterable[int]) -> Iterator[tuple[Key, Use]]:
    """The uses of blobs that are read at a layer's backward, but for those that are remade just before it."""
    back = 2 * len(graph.nodes) - 1 - node.index
    for blob in blobs:
        storage = graph.storage[blob]
        key: Key = ("again", storage) if storage in graph.remade else ("data", graph.data_house(blob))
        if storage not in graph.remade or graph.remade[storage].again != node.index:
            yield key, Use(back, False, node.layer.name)


def _spaces(shaped: ShapedGraph, plan: MemoryPlan, node: Node, check: Check) -> Iterator[tuple[Key, Use]]:
    """The uses of a layer's workspaces, in the directions that it declares."""
    graph = shaped.graph
    name, back = node.layer.name, 2 * len(graph.nodes) - 1 - node.index
    for word, space in node.layer.workspaces(shaped.bottom_shapes(node), node.backward).items():
        if plan.fixed and space.fixed:
            continue
        kept = space.kept or space.score
        ahead, behind = space.use != "backward" or kept, space.use != "forward" or kept
        sides = [("forward", node.index)] * ahead + [("backward", back)] * (behind and node.backward)
        for side, time in sides:
            key: Key = ("work", node.index, word, *(() if kept else (side,)))
            piece = plan.pieces.get(key)
            kind = plan.dtype if space.kind == "real" else space.kind
            turn = space.turn if side == "backward" and not kept else 0
            right = piece is not None and (piece.shape, piece.kind, piece.turn) == (space.shape, kind, turn)
            check(right, f"workspace '{word}' has no piece of its shape and kind", name)
            yield key, Use(time, True, name)
            yield from ((key, use) for use in _others(graph, node, word, side))
            if word in KNOWN:
                later = (one for one in graph.nodes if one.known == node.index)
                yield from ((key, Use(one.index, False, one.layer.name)) for one in later)
        if space.score:
            yield ("work", node.index, word), Use(2 * len(shaped.graph.nodes), False, name)


def _others(graph: Graph, norm: Node, space: str, side: str) -> Iterator[Use]:
    """The uses of a BatchNorm's workspace by the layers that do its work."""
    end = 2 * len(graph.nodes)
    if space == "coefficients" and "on_read" in norm.fused:
        for reader in graph.looking(norm):
            yield Use(reader.index, False, reader.layer.name)
            if reader.backward:
                yield Use(end - 1 - reader.index, False, reader.layer.name)
            if reader.again is not None:
                yield Use(end - 1 - reader.again, False, reader.layer.name)
    for word, at in norm.fused.items():
        name = graph.nodes[at.node].layer.name
        if word == "moments" and side == "forward" and space in {"partial", "counts"}:
            yield Use(at.node, True, name)
        if word == "products" and side == "backward" and space == "partial":
            yield Use(end - 1 - at.node, True, name)
        if word in {"products", "pulled"} and space == "coefficients":
            yield Use(end - 1 - at.node, False, name)


def _diff_uses(graph: Graph, plan: MemoryPlan, check: Check) -> Iterator[tuple[Key, list[Use]]]:
    """The uses of gradients.

    The first writer overwrites the gradient; a later writer adds to it, or writes a share that is then added. Last, the
    producer reads it. Gradients that a layer hands down from its top lie there already.
    """
    end = 2 * len(graph.nodes)
    writers: dict[int, list[tuple[int, int]]] = {}
    readers: dict[int, list[int]] = {}
    for node in reversed(graph.nodes):
        if not (node.backward and graph.runs(node)):
            continue
        for top in node.tops:
            readers.setdefault(graph.house(top), []).append(node.index)
        for slot, bottom in enumerate(node.bottoms):
            joined = graph.house(bottom) != graph.storage[bottom] and isinstance(node.layer, Concat)
            if node.propagate[slot] and not (joined or (node.in_place and slot == 0)):
                writers.setdefault(graph.house(bottom), []).append((node.index, slot))
    wanted = {graph.house(blob.index) for blob in graph.blobs if blob.needs_diff}
    every: dict[int, list[Use]] = {}
    for house in sorted(wanted):
        name = graph.nodes[graph.blobs[house].producer].layer.name
        mine, born = writers.get(house, []), end - 1 - graph.blobs[house].producer
        uses = every.setdefault(graph.diff_house(house), [])
        own = [Use(end - 1 - one, False, graph.nodes[one].layer.name) for one in readers.get(house, [])]
        for number, (writer, slot) in enumerate(mine):
            by, time = graph.nodes[writer], end - 1 - writer
            layer, key = by.layer.name, ("share", writer, slot)
            own.append(Use(time, slot not in by.hands or by.thinned, layer))
            if number == 0:
                direct = key not in plan.pieces
                check(direct, "writes a gradient first, but not into it", layer, graph.blobs[house].label)
                part = graph.storage[graph.nodes[writer].bottoms[slot]] != house
                check(not part, "writes a gradient first, but only a part of it", layer, graph.blobs[house].label)
            elif key in plan.pieces:
                yield key, [Use(time, True, layer)]
            else:
                able = graph.nodes[writer].adds and [one for one, _ in mine].count(writer) == 1
                check(able, "overwrites a gradient that another layer wrote", layer, graph.blobs[house].label)
        seeded = sum(blob.loss_weight for blob in graph.blobs if graph.storage[blob.index] == house)
        if not mine:
            # the seed is written before the producer's backward reads it, both at one time
            own = [Use(born, True, name), *(use for use in own if use.time > born)]
        elif seeded:
            yield ("share", "loss", house), [Use(born, True, name)]
        uses += own
    yield from ((("diff", house), uses) for house, uses in every.items())
