"""ShapedGraph and MemoryPlan to Inspection: the numbers that `inspect` shows of a net, as plain values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from netspec.core.calls import Phase
from netspec.core.receptive import NOTHING_SEEN, Region
from netspec.core.shape import counted
from netspec.engine.flows import flows
from netspec.engine.footprint import layer_bytes, peak, weight_bytes
from netspec.engine.plan import MemoryPlan, Piece, plan
from netspec.engine.rewrite import rewrite
from netspec.net.graph import Graph, Node
from netspec.net.shaped import ShapedGraph

_NOWHERE = NOTHING_SEEN.over(())


@dataclass(frozen=True)
class LayerRow:
    """A layer, or the layers of a block together. MACs are per image.

    `params` counts learned params, `stored` the others; a shared param belongs to the first layer that has it.
    `activation_bytes` counts tops with memory of their own. `training_bytes` is the sum of activations, weights, the
    gradients of both, and a history of the weights.
    """

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    shape: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    shape_arithmetic: str = ""
    field: Region = _NOWHERE
    params: int = 0
    stored: int = 0
    param_arithmetic: str = ""
    macs: int = 0
    weight_bytes: int = 0
    activation_bytes: int = 0
    training_bytes: int = 0
    layers: int = 1

    @property
    def memory(self) -> int:
        """Bytes that the layer needs in training, or in testing for a net of phase TEST."""
        return self.training_bytes or self.weight_bytes + self.activation_bytes


@dataclass(frozen=True)
class Inspection:
    """A net's rows and totals. Bytes are of the batch; FLOPs are per sample, which is called `unit`.

    `forward_bytes` and `training_bytes` are the peaks of a forward pass and of a training: weights (in training also
    their gradients and a history) and the arena of that phase. None if the net has no such phase.
    """

    net: str
    phase: Phase
    batch: int
    rows: tuple[LayerRow, ...]
    layers: int
    params: int
    stored: int
    macs: int
    field: int
    weight_bytes: int
    activation_bytes: int
    arena_bytes: int
    forward_bytes: int | None
    training_bytes: int | None
    dtype: str
    unit: str

    @property
    def flops(self) -> int:
        """2 per MAC."""
        return 2 * self.macs

    def collapsed(self, depth: int) -> Inspection:
        """A copy with rows down to `depth` levels of the names (a/b/c has three).

        The layers of a deeper block are summed in one row, at the place of the block's first layer.
        """
        blocks: dict[tuple[str, ...], list[LayerRow]] = {}
        for row in self.rows:
            path = row.name.split("/")
            blocks.setdefault((row.name,) if len(path) <= depth else (*path[:depth], ""), []).append(row)
        rows = (inside[0] if key[-1] else _block("/".join(key[:-1]), inside) for key, inside in blocks.items())
        return replace(self, rows=tuple(rows))


def inspection(shaped: ShapedGraph, memory: MemoryPlan, other: ShapedGraph | None = None) -> Inspection:
    """The rows and totals of a rewritten net; `other` is the net of the other phase, whose peak is shown too."""
    peaks = {shaped.graph.phase: peak(shaped, memory)}
    if other is not None:
        rewritten_other = rewrite(other)
        peaks[other.graph.phase] = peak(rewritten_other, plan(rewritten_other, memory.dtype))
    rows = tuple(_row(shaped, memory, node) for node in shaped.graph.written)
    return Inspection(
        net=shaped.graph.name,
        phase=shaped.graph.phase,
        batch=max(1, shaped.batch),
        rows=rows,
        layers=len(rows),
        params=shaped.total_params,
        stored=shaped.stored_params,
        macs=shaped.total_macs // max(1, shaped.batch),
        field=shaped.largest_field,
        weight_bytes=weight_bytes(shaped, memory.dtype),
        activation_bytes=sum(row.activation_bytes for row in rows),
        arena_bytes=memory.arena,
        forward_bytes=peaks.get("TEST"),
        training_bytes=peaks.get("TRAIN"),
        dtype=memory.dtype,
        unit=shaped.unit,
    )


def _row(shaped: ShapedGraph, memory: MemoryPlan, node: Node) -> LayerRow:
    net, cost, tops = shaped.graph, shaped.costs[node.index], tuple(map(shaped.written_shape, node.tops))
    held = layer_bytes(shaped, memory, node)
    return LayerRow(
        name=node.layer.name,
        type=node.layer.type,
        bottoms=tuple(net.blobs[b].name for b in node.bottoms),
        tops=tuple(net.blobs[t].name for t in node.tops),
        shape=tops[0] if tops else (),
        shapes=tops,
        shape_arithmetic=cost.shape_words,
        field=shaped.region(node.tops[0]) if node.tops else _NOWHERE,
        params=cost.params,
        stored=cost.stored,
        param_arithmetic=cost.param_words,
        macs=cost.macs // max(1, shaped.batch),
        weight_bytes=held.weights,
        activation_bytes=held.activations,
        training_bytes=held.training,
    )


def _block(name: str, inside: list[LayerRow]) -> LayerRow:
    """The layers of a block as a row: the blobs it reads from outside, the tops of its last layer, and sums."""
    made: set[str] = set()
    bottoms: dict[str, None] = {}
    for row in inside:
        bottoms |= dict.fromkeys(b for b in row.bottoms if b not in made)
        made.update(row.tops)

    def total(of: Callable[[LayerRow], int]) -> int:
        return sum(map(of, inside))

    last = inside[-1]
    return LayerRow(
        name=name,
        type=f"block ({counted(len(inside), 'layer')})",
        bottoms=tuple(bottoms),
        tops=last.tops,
        shape=last.shape,
        shapes=last.shapes,
        field=last.field,
        params=total(lambda row: row.params),
        stored=total(lambda row: row.stored),
        macs=total(lambda row: row.macs),
        weight_bytes=total(lambda row: row.weight_bytes),
        activation_bytes=total(lambda row: row.activation_bytes),
        training_bytes=total(lambda row: row.training_bytes),
        layers=len(inside),
    )


ORDERS: dict[str, Callable[[LayerRow], tuple[float | str, ...]]] = {
    "params": lambda row: (-row.params,),
    "macs": lambda row: (-row.macs,),
    "memory": lambda row: (-row.memory,),
    "name": lambda row: (row.name,),
}
"""Keys that rows can be sorted by: numbers from the largest, names from A; ties stay in the net's order."""


@dataclass(frozen=True)
class ParamUse:
    """A param of a layer: its name, and the factors on its rate and its decay."""

    name: str
    learned: bool
    lr_mult: float
    decay_mult: float


@dataclass(frozen=True)
class Wire:
    """How a layer is wired: blobs with their versions, params, and the bottoms whose gradients it computes."""

    name: str
    type: str
    bottoms: tuple[str, ...]
    tops: tuple[str, ...]
    params: tuple[ParamUse, ...]
    gradients: tuple[str, ...]
    loss_weight: float


def wiring(net: Graph) -> tuple[Wire, ...]:
    """The wiring of every layer of a net, in order."""

    def wire(node: Node) -> Wire:
        params = tuple(
            ParamUse(p.name, p.param.learned, p.lr_mult, p.decay_mult) for p in (net.params[i] for i in node.params)
        )
        bottoms, tops = (tuple(net.blobs[b].label for b in blobs) for blobs in (node.bottoms, node.tops))
        gradients = tuple(label for label, wanted in zip(bottoms, node.propagate, strict=True) if wanted)
        return Wire(
            node.layer.name,
            node.layer.type,
            bottoms,
            tops,
            params,
            gradients,
            sum(net.blobs[t].loss_weight for t in node.tops),
        )

    return tuple(map(wire, net.nodes))


@dataclass(frozen=True)
class Rewritten:
    """The effect of a rewrite on a layer, in words."""

    rewrite: str
    layer: str
    effect: str


def rewritten(net: Graph) -> tuple[Rewritten, ...]:
    """The effects of the rewrites, in the order of the layers."""
    adding = {writer for flow in flows(net).values() for writer in flow.adding}
    return tuple(
        Rewritten(name, node.layer.name, effect) for node in net.nodes for name, effect in _effects(net, node, adding)
    )


_FUSED = {
    "on_read": "its top is not written: readers normalise its bottom",
    "moments": "{} leaves the sums for mean and variance",
    "products": "{} leaves the sums over its top's gradient",
    "pulled": "its bottom's gradient is not written: {} computes it",
}


def _effects(net: Graph, node: Node, adding: set[tuple[int, int]]) -> Iterator[tuple[str, str]]:
    """The rewrites that changed a layer, each with its effect in words.

    `adding` holds each (layer, bottom slot) whose gradient is added to what an earlier writer left.
    """
    copy = net.blobs[node.tops[0]] if node.tops else None
    if copy is not None and copy.copy_of is not None:
        work = "" if net.runs(node) else ": the same memory"
        yield "layout", f"{net.blobs[copy.copy_of].layout} to {copy.layout}{work}"
    if node.absorbed:
        host, kind = net.hosts[node.index], node.layer.type
        name = (
            "fold"
            if kind in host.layer.abilities.folds
            else {"Scale": "batch_norm", "Eltwise": "sums"}.get(kind, "relu")
        )
        into = "the weights of " if name == "fold" else ""
        yield name, f"computed along with {into}{host.layer.name}"
    if node.onto is not None:
        yield "sums", f"its top is added to {net.blobs[node.onto].label}"
    if node.in_place:
        yield "in_place", f"its top lies in the memory of {net.blobs[node.bottoms[0]].label}"
    for inside in (net.blobs[top].inside for top in node.tops):
        if inside is not None:
            yield "place", f"its top lies inside {net.blobs[inside[0]].label}, from channel {inside[1]} on"
    added = [net.blobs[node.bottoms[slot]].label for slot in range(len(node.bottoms)) if (node.index, slot) in adding]
    if added:
        yield "add", f"adds to the gradient of {' and '.join(added)}"
    if node.thinned:
        down, across = node.every
        yield "thin", f"its top has 1 line in {down} and 1 column in {across}: no others are read"
    if node.hands and "pulled" not in node.fused:
        handed = " and ".join(net.blobs[node.bottoms[slot]].label for slot in sorted(node.hands))
        whose = f"the gradient of {net.blobs[node.bottoms[0]].label}" if node.thinned else "its top's gradient"
        yield "hands", f"{whose} is that of {handed}"
    if node.known is not None:
        yield "known", f"the moments of its first channels are those of {net.nodes[node.known].layer.name}"
    if node.again is not None:
        yield (
            "again",
            f"its top is not kept: it is computed anew for the backward of {net.nodes[node.again].layer.name}",
        )
    for word, fused in node.fused.items():
        yield word, _FUSED[word].format(*(net.nodes[fused.node].layer.name,) if fused.node >= 0 else ())
    if any(node.stores):
        names = [net.params[param].name for param, yes in zip(node.params, node.stores, strict=True) if yes]
        yield "store", f"overwrites the gradient of {' and '.join(names)}"


@dataclass(frozen=True)
class Held:
    """A piece of memory: its contents, shape, times of first write and last read, and offset."""

    name: str
    kind: str
    shape: tuple[int, ...]
    first: int
    last: int
    offset: int
    bytes: int


def pieces(net: Graph, memory: MemoryPlan) -> tuple[Held, ...]:
    """The pieces of a plan, in the order they are first written."""

    def held(piece: Piece) -> Held:
        return Held(_name(net, piece), piece.kind, piece.shape, piece.first, piece.last, piece.offset, piece.bytes)

    return tuple(held(piece) for piece in sorted(memory.pieces.values(), key=lambda p: (p.first, p.offset)))


def _name(net: Graph, piece: Piece) -> str:
    """A piece's name: data conv1; diff conv1; share sum of pool1; work conv1 columns forward.

    A share is the part of a diff that a later reader adds.
    """
    match piece.key:
        case ("data" | "diff" as what, int(blob)):
            return f"{what} {net.blobs[blob].label}"
        case ("share", "loss", int(blob)):
            return f"share loss of {net.blobs[blob].label}"
        case ("share", int(node), int(slot)):
            return f"share {net.nodes[node].layer.name} of {net.blobs[net.nodes[node].bottoms[slot]].label}"
        case (what, int(node), *words):
            return " ".join(map(str, (what, net.nodes[node].layer.name, *words)))
    raise AssertionError(piece.key)
