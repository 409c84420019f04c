"""ShapedGraph to MemoryPlan: when each piece of memory is first written and last read, and its offset in one arena.

Time counts layers: forward of layer i is at time i, its backward at 2L-1-i, the update at 2L. Pieces that are alive at
a common time never overlap; other pieces may share bytes. Blobs are one piece where one is a reshape or copy of the
other (Flatten, Split), overwrites it in place, or lies inside it.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

from netspec.core.calls import Workspace
from netspec.core.errors import MachineError
from netspec.core.shape import FLOAT_BYTES, Shape, count
from netspec.engine.flows import flows
from netspec.net.graph import Graph, Node
from netspec.net.shaped import ShapedGraph

ALIGN = 64
SLACK = 256
"""Bytes behind every piece that vector loads may read."""

SPAN = 256
"""Length of one lane of `_place`, in halves of a layer's time."""

Key = tuple[str | int, ...]
Lying = tuple[int, int, int, int]
"""A placed piece: its first byte, the byte after its last, when it begins to live, when it has lived."""


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
    turn: int = 0

    @property
    def begin(self) -> int:
        """When it begins to live, in halves of a layer's time: one of turn 2 lives in the second half."""
        return 2 * self.first + (self.turn == 2)

    @property
    def end(self) -> int:
        """When it has lived, in halves of a layer's time: one of turn 1 lives in the first half."""
        return 2 * self.last + (self.turn != 1)

    @property
    def bytes(self) -> int:
        """Size with slack, rounded up to the alignment."""
        size = count(self.shape) * {"uint8": 1, "int32": 4, "int64": 8, **FLOAT_BYTES}[self.kind] + SLACK
        return -(-size // ALIGN) * ALIGN

    @property
    def lasting(self) -> bool:
        """Whether it holds values that may be read later: a blob, or a workspace that is kept."""
        return self.blob is not None or (self.key[0] == "work" and len(self.key) == 3)

    @property
    def blob(self) -> int | None:
        """The blob whose data or diff it holds."""
        return int(self.key[1]) if self.key[0] in {"data", "diff"} else None


@dataclass(frozen=True)
class MemoryPlan:
    """Every piece with its offset, the size of the arena, and its size if no pieces shared bytes, in bytes.

    `storage[b]` is the blob whose memory blob b lies in: itself, or a blob that it reshapes or overwrites. A blob that
    lies inside a wider blob has no piece. `fixed` are the pieces of a second memory, of `fixed_bytes`, that no two
    pieces share: what is made of the params alone, where params stand still between two runs.
    """

    pieces: dict[Key, Piece]
    arena: int
    unshared: int
    storage: tuple[int, ...]
    dtype: str
    keep: bool
    fixed: dict[Key, Piece] = field(default_factory=dict)

    @property
    def fixed_bytes(self) -> int:
        """Size of the memory of the fixed pieces."""
        return sum(piece.bytes for piece in self.fixed.values())


def plan(shaped: ShapedGraph, dtype: str = "float32", keep: bool = False) -> MemoryPlan:
    """Compute the lifetime and offset of every piece.

    `keep` leaves data and diff of every blob readable, and backward repeatable, until the next forward; without it
    those of single blobs that are marked so. Without it, too, a net whose params stand still has fixed pieces.
    """
    graph = shaped.graph
    owner = graph.storage
    fixed = {} if keep or not graph.still else _fixed(shaped, dtype)
    pieces = [*_data(shaped, dtype), *_diffs(shaped, dtype), *_workspaces(shaped, dtype, bool(fixed))]
    marked = {graph.house(blob.index) for blob in graph.blobs if blob.kept}
    end = 2 * len(graph.nodes)
    pieces = [replace(p, first=-1, last=end) if p.lasting and (keep or p.blob in marked) else p for p in pieces]
    placed = _place(pieces)
    arena = max((p.offset + p.bytes for p in placed), default=0)
    return MemoryPlan({p.key: p for p in placed}, arena, sum(p.bytes for p in placed), owner, dtype, keep, fixed)


def _back(graph: Graph, node: int) -> int:
    return 2 * len(graph.nodes) - 1 - node


def _data(shaped: ShapedGraph, dtype: str) -> list[Piece]:
    """One piece for each storage: alive from its first producer to its last reader, or to the end if it is a result.

    What is computed anew has a second piece, for backward.
    """
    graph = shaped.graph
    uses: dict[int, list[int]] = {}
    results = {*graph.outputs, *graph.losses}
    for blob in graph.blobs:
        producer = graph.nodes[blob.producer]
        times = uses.setdefault(graph.data_house(blob.index), [])
        times.append(-1 if blob.index in graph.inputs else producer.index)
        if "top" in producer.reads:
            times.append(_back(graph, producer.index))
        for index, _ in graph.readers(blob.index):
            reader = graph.nodes[index]
            times.append(index)
            if "bottom" in reader.reads and graph.runs(reader):
                times.append(_back(graph, index))
        if blob.index in results:
            times.append(2 * len(graph.nodes))
    for node in graph.nodes:
        if "pulled" in node.fused:
            uses[graph.data_house(node.bottoms[0])].append(_back(graph, node.fused["pulled"].node))
        if node.again is not None:
            for index in (*node.bottoms, *node.tops):
                uses[graph.data_house(index)].append(_back(graph, node.again))
    middle, result = len(graph.nodes), []
    for storage, times in uses.items():
        again = [time for time in times if time >= middle] if storage in graph.remade else []
        before = [time for time in times if time < middle] if again else times
        result.append(Piece(("data", storage), shaped.blobs[storage], dtype, min(before), max(before)))
        if again:
            result.append(Piece(("again", storage), shaped.blobs[storage], dtype, min(again), max(again)))
    return result


def _diffs(shaped: ShapedGraph, dtype: str) -> list[Piece]:
    """One piece for all gradients that lie in one place, alive from the first writer to the last producer's backward.

    Each later writer that cannot add has a piece of its own.
    """
    graph = shaped.graph
    spans: dict[int, list[int]] = {}
    for blob in graph.blobs:
        if blob.inside is not None and blob.needs_diff:
            spans.setdefault(blob.inside[0], []).append(_back(graph, blob.producer))
    result = []
    for storage, flow in flows(graph).items():
        end = _back(graph, flow.producer)
        shape, house = shaped.blobs[storage], graph.diff_storage[storage]
        spans.setdefault(house, []).extend([*(_back(graph, node) for node, _ in flow.writers), end])
        later = [slot for slot in flow.writers[1:] if slot not in flow.adding]
        for node, slot in later:
            result.append(Piece(("share", node, slot), shape, dtype, _back(graph, node), _back(graph, node)))
        if flow.seed and flow.writers:
            result.append(Piece(("share", "loss", storage), shape, dtype, end, end))
    for house, times in spans.items():
        result.append(Piece(("diff", house), shaped.blobs[house], dtype, min(times), max(times)))
    return result


def _fixed(shaped: ShapedGraph, dtype: str) -> dict[Key, Piece]:
    """Fixed workspaces, and the weight and bias of layers that take factors by channel into them, side by side."""
    graph, pieces, at = shaped.graph, {}, 0
    for node in filter(graph.runs, graph.nodes):
        bottoms = shaped.bottom_shapes(node)
        spaces = {name: space for name, space in node.layer.workspaces(bottoms, False).items() if space.fixed}
        if node.folds:
            weight = node.layer.param_shapes(bottoms)[0]
            spaces |= {FOLDED[0]: Workspace(weight), FOLDED[1]: Workspace(weight[:1])}
        for name, space in spaces.items():
            key: Key = ("fixed", node.index, name)
            kind = dtype if space.kind == "real" else space.kind
            pieces[key] = Piece(key, space.shape, kind, -1, 2 * len(graph.nodes), at)
            at += pieces[key].bytes
    return pieces


def _workspaces(shaped: ShapedGraph, dtype: str, apart: bool) -> list[Piece]:
    """Pieces of workspaces: one piece for a kept workspace or for statistics, one per direction for scratch.

    With `apart`, fixed workspaces lie elsewhere.
    """
    graph = shaped.graph
    result = []
    for node in graph.nodes:
        if not graph.runs(node):
            continue
        for name, space in node.layer.workspaces(shaped.bottom_shapes(node), node.backward).items():
            if apart and space.fixed:
                continue
            kind = dtype if space.kind == "real" else space.kind
            ahead, back = node.index, _back(graph, node.index)
            if space.kept or space.score:
                end = 2 * len(graph.nodes) if space.score else back if node.backward else ahead
                end = max([end, *_looks(graph, node)])
                result.append(Piece(("work", node.index, name), space.shape, kind, ahead, end))
                continue
            if space.use != "backward":
                begin = node.fused["moments"].node if "moments" in node.fused else ahead
                result.append(Piece(("work", node.index, name, "forward"), space.shape, kind, begin, ahead))
            if space.use != "forward" and node.backward:
                begin = _back(graph, node.fused["products"].node) if "products" in node.fused else back
                key: Key = ("work", node.index, name, "backward")
                result.append(Piece(key, space.shape, kind, begin, back, turn=space.turn))
    return result


def _looks(graph: Graph, norm: Node) -> Iterator[int]:
    """The times at which other layers look at what a BatchNorm keeps."""
    if "on_read" in norm.fused:
        for reader in graph.looking(norm):
            yield from (reader.index, *([_back(graph, reader.index)] if reader.backward else ()))
            yield from () if reader.again is None else (_back(graph, reader.again),)
    yield from (_back(graph, norm.fused[word].node) for word in ("products", "pulled") if word in norm.fused)


def _place(pieces: list[Piece]) -> list[Piece]:
    """Greedy by size: the largest piece first, each at the lowest offset where it overlaps no living piece.

    Placed pieces are listed in lanes, so that a new piece is compared with few others. There is one lane for each span
    of time, one for the middle of the time, when everything that backward reads is alive, and one for the whole time.
    """
    start, end = -2, max((piece.end for piece in pieces), default=0)
    spans = [_Lane(begin, begin + SPAN - 1) for begin in range(start, end + 1, SPAN)]
    middle, whole = _Lane(end // 2, end // 2), _Lane(start, end)
    result = []
    sized = [(piece.bytes, piece) for piece in pieces]
    for size, piece in sorted(sized, key=lambda pair: (-pair[0], pair[1].first, str(pair[1].key))):
        touched = spans[(piece.begin - start) // SPAN : (piece.end - start) // SPAN + 1]
        lane = touched[0] if len(touched) == 1 else middle if piece.begin <= middle.begin <= piece.end else whole
        offset = lane.lowest(size, piece.begin, piece.end)
        for lane in (whole, middle, *touched):
            lane.put((offset, offset + size, piece.begin, piece.end))
        result.append(replace(piece, offset=offset))
    return result


class _Lane:
    """Placed pieces that may overlap a piece that is alive in the lane's time.

    Bytes below `floor` are occupied during the whole time of the lane.
    """

    def __init__(self, begin: int, end: int) -> None:
        self.begin, self.end, self.floor = begin, end, 0
        self.above: list[Lying] = []

    def lowest(self, size: int, first: int, last: int) -> int:
        """The lowest offset of a gap of `size` bytes that is free from `first` to `last`."""
        offset = self.floor
        for start, stop, born, dies in self.above:
            if born <= last and dies >= first:
                if start - offset >= size:
                    break
                if stop > offset:
                    offset = stop
        return offset

    def put(self, lying: Lying) -> None:
        """Add a placed piece. The floor rises where pieces occupy the bytes above it for the whole time of the lane."""
        insort(self.above, lying)
        if lying[0] > self.floor or not self.filled(lying):
            return
        for other in self.above:
            if other[0] > self.floor:
                break
            if self.filled(other):
                self.floor = max(self.floor, other[1])
        self.above = [other for other in self.above if other[1] > self.floor]

    def filled(self, lying: Lying) -> bool:
        """Whether a placed piece is alive through the whole time of the lane."""
        return lying[2] <= self.begin and lying[3] >= self.end


FOLDED = ("folded weight", "folded bias")
"""Names of the fixed pieces that take a layer's params with the factors by channel behind it."""
Direction = Literal["forward", "backward"]


def workspace(plan: MemoryPlan, node: int, name: str, direction: Direction) -> Piece | None:
    """The piece of a layer's workspace in one direction; None where that direction does not use it."""
    keys: tuple[Key, ...] = (("work", node, name), ("work", node, name, direction))
    found = (plan.pieces[key] for key in keys if key in plan.pieces)
    return plan.fixed.get(("fixed", node, name)) or next(found, None)
