"""ShapedGraph to MemoryPlan: when each piece of memory is first written and last read, and where it lies in one arena.

Time counts layers: forward of layer i happens at i, its backward at 2L-1-i, the update at 2L. Two pieces that are alive at the same
time never overlap; pieces that are not may share bytes. Blobs that are one another's reshapes (Flatten) are one piece.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from netspec.diagnostics import MachineError
from netspec.graph import Graph, Node
from netspec.infer import ShapedGraph
from netspec.shape import FLOAT_BYTES, Shape, count

ALIGN = 64
SLACK = 256
"""Bytes behind every piece that a vector load may touch."""

Key = tuple[str | int, ...]


class OutOfMemoryError(MachineError):
    """The plan needs more memory than the machine has."""

    code = "NS401"


@dataclass(frozen=True)
class Piece:
    """Memory that is alive from time `first` to `last`, both included; `offset` and `bytes` within the arena."""

    key: Key
    shape: Shape
    kind: str
    first: int
    last: int
    offset: int = 0

    @property
    def bytes(self) -> int:
        """Size with slack, rounded up to the alignment."""
        size = count(self.shape) * {"int32": 4, "int64": 8, **FLOAT_BYTES}[self.kind] + SLACK
        return -(-size // ALIGN) * ALIGN

    @property
    def lasting(self) -> bool:
        """Whether it holds something that can be asked for again: a blob, or what backward needs of forward; scratch does not."""
        return self.key[0] in {"data", "diff"} or (self.key[0] == "work" and len(self.key) == 3)

    def overlaps(self, other: Piece) -> bool:
        """Whether both are alive at some time."""
        return self.first <= other.last and other.first <= self.last


@dataclass(frozen=True)
class MemoryPlan:
    """Every piece with its place, the arena's size, and the bytes it would take without sharing.

    `storage[b]` is the blob whose memory blob b lives in: itself, or the one it reshapes.
    """

    pieces: dict[Key, Piece]
    arena: int
    unshared: int
    storage: tuple[int, ...]
    dtype: str
    keep: bool


@dataclass(frozen=True)
class Flow:
    """How gradients reach the memory of one blob: the layers that write into it, in the order they run.

    The first writes the diff itself, each later one a piece of its own that is added. `seed` is the loss weight of its blobs.
    """

    storage: int
    producer: int
    writers: tuple[tuple[int, int], ...]
    seed: float


def storages(graph: Graph) -> tuple[int, ...]:
    """For every blob, the blob whose memory it shares."""
    owner = list(range(len(graph.blobs)))
    for node in graph.nodes:
        if node.layer.aliases(graph.phase) and node.bottoms:
            owner[node.tops[0]] = owner[node.bottoms[0]]
    return tuple(owner)


def is_alias(graph: Graph, node: Node) -> bool:
    """Whether a layer only gives its bottom another shape, so that nothing runs."""
    return bool(node.bottoms) and node.layer.aliases(graph.phase)


def flows(graph: Graph) -> dict[int, Flow]:
    """The gradient flow of every piece of memory that needs a diff."""
    owner = storages(graph)
    result: dict[int, Flow] = {}
    for blob in graph.blobs:
        if blob.needs_diff and owner[blob.index] not in result:
            members = {b.index for b in graph.blobs if owner[b.index] == owner[blob.index]}
            writers = [
                (node.index, slot)
                for node in reversed(graph.nodes)
                if node.backward and not is_alias(graph, node)
                for slot, b in enumerate(node.bottoms)
                if b in members and node.propagate[slot]
            ]
            seed = sum(graph.blobs[b].loss_weight for b in members)
            result[owner[blob.index]] = Flow(owner[blob.index], graph.blobs[owner[blob.index]].producer, tuple(writers), seed)
    return result


def plan(shaped: ShapedGraph, dtype: str = "float32", keep: bool = False) -> MemoryPlan:
    """Lifetimes to offsets. `keep` leaves every blob's data and diff readable, and backward repeatable, until the next forward."""
    graph = shaped.graph
    owner = storages(graph)
    pieces = [*_data(shaped, owner, dtype), *_diffs(shaped, dtype), *_workspaces(shaped, dtype)]
    if keep:
        end = 2 * len(graph.nodes)
        pieces = [replace(p, first=-1, last=end) if p.lasting else p for p in pieces]
    placed = _place(pieces)
    arena = max((p.offset + p.bytes for p in placed), default=0)
    return MemoryPlan({p.key: p for p in placed}, arena, sum(p.bytes for p in placed), owner, dtype, keep)


def _back(graph: Graph, node: int) -> int:
    return 2 * len(graph.nodes) - 1 - node


def _data(shaped: ShapedGraph, owner: tuple[int, ...], dtype: str) -> list[Piece]:
    """One piece for every storage: from its producer to its last reader, or to the end if it is a result."""
    graph = shaped.graph
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    results = {*graph.outputs, *graph.losses}
    for blob in graph.blobs:
        storage = owner[blob.index]
        producer = graph.nodes[blob.producer]
        if storage == blob.index:
            first[storage] = -1 if blob.index in graph.inputs else producer.index
        uses = [producer.index]
        if producer.backward and "top" in producer.layer.backward_reads:
            uses.append(_back(graph, producer.index))
        for index, _ in graph.readers(blob.index):
            reader = graph.nodes[index]
            uses.append(index)
            if reader.backward and "bottom" in reader.layer.backward_reads and not is_alias(graph, reader):
                uses.append(_back(graph, index))
        if blob.index in results:
            uses.append(2 * len(graph.nodes))
        last[storage] = max(last.get(storage, -1), *uses)
    return [Piece(("data", s), shaped.blobs[s], dtype, first[s], last[s]) for s in first]


def _diffs(shaped: ShapedGraph, dtype: str) -> list[Piece]:
    """One piece for every gradient, from its first writer to its producer's backward, and one for every later writer."""
    graph = shaped.graph
    result = []
    for storage, flow in flows(graph).items():
        times = [_back(graph, node) for node, _ in flow.writers]
        end = _back(graph, flow.producer)
        shape = shaped.blobs[storage]
        result.append(Piece(("diff", storage), shape, dtype, min([*times, end]), end))
        result += [Piece(("share", node, slot), shape, dtype, _back(graph, node), _back(graph, node)) for node, slot in flow.writers[1:]]
        if flow.seed and flow.writers:
            result.append(Piece(("share", "loss", storage), shape, dtype, end, end))
    return result


def _workspaces(shaped: ShapedGraph, dtype: str) -> list[Piece]:
    """Each layer's workspaces: kept ones once, scratch once a direction."""
    graph = shaped.graph
    result = []
    for node in graph.nodes:
        if is_alias(graph, node):
            continue
        for name, space in node.layer.workspaces(shaped.bottom_shapes(node), node.backward).items():
            kind = dtype if space.kind == "real" else space.kind
            ahead, back = node.index, _back(graph, node.index)
            if space.kept:
                end = back if node.backward else ahead
                result.append(Piece(("work", node.index, name), space.shape, kind, ahead, end))
                continue
            if space.use != "backward":
                result.append(Piece(("work", node.index, name, "forward"), space.shape, kind, ahead, ahead))
            if space.use != "forward" and node.backward:
                result.append(Piece(("work", node.index, name, "backward"), space.shape, kind, back, back))
    return result


def _place(pieces: list[Piece]) -> list[Piece]:
    """Greedy by size: the largest first, each at the lowest offset where it meets no living neighbour."""
    placed: list[Piece] = []
    for piece in sorted(pieces, key=lambda p: (-p.bytes, p.first, str(p.key))):
        offset = 0
        for other in sorted((p for p in placed if p.overlaps(piece)), key=lambda p: p.offset):
            if other.offset - offset >= piece.bytes:
                break
            offset = max(offset, other.offset + other.bytes)
        placed.append(replace(piece, offset=offset))
    return placed


Direction = Literal["forward", "backward"]


def workspace(plan: MemoryPlan, node: int, name: str, direction: Direction) -> Piece | None:
    """The piece that a layer's workspace is in one direction."""
    return plan.pieces.get(("work", node, name)) or plan.pieces.get(("work", node, name, direction))
