"""ShapedGraph to Chart: what becomes a box, what a strip of another box, and which lines run between the boxes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from netspec.core.shape import counted, text
from netspec.core.visible import visible
from netspec.drawing.fields import head, rest
from netspec.drawing.figures import Form
from netspec.layers.eltwise import Eltwise
from netspec.net.graph import Node
from netspec.net.shaped import ShapedGraph

Key = tuple[int, int]
"""A blob: the number of the item that makes it, and its port there."""

Block = tuple[str, ...]
"""The path of a block: the names before the last slash of its layers' names."""

_MERGED = {"activation", "normalization", "noise"}
"""Purposes of layers that stand as strips in the box of the layer whose top they alone read."""
_MERGED_TYPES = {"Scale", "Bias"}
_SIGNS = {"SUM": "+", "PROD": "\N{MULTIPLICATION SIGN}", "MAX": "max"}
_LOW = {"activation", "noise", "shape", "normalization"}
"""Purposes of layers without params that are drawn low, on one line."""


@dataclass(frozen=True)
class Part:
    """A layer in an item: its name, type with window, purpose and learned params."""

    name: str
    type: str
    kind: str
    params: int


@dataclass(frozen=True)
class Item:
    """What becomes a box: a layer and those in its strips, labels beside their reader, or a folded block.

    `block` is the path of the block that it stands in; `folded` the path of the block that it is, else empty.
    """

    name: str
    block: Block
    kind: str
    form: Form
    lines: tuple[str, ...]
    parts: tuple[Part, ...] = ()
    folded: Block = ()
    params: int = 0
    macs: int = 0


@dataclass(frozen=True)
class Wire:
    """A blob that item `source` makes as its top `port`, and that item `target` reads as its bottom `slot`.

    `target` is None where nothing reads it.
    """

    source: int
    port: int
    target: int | None
    slot: int
    blob: str
    shape: str

    @property
    def key(self) -> Key:
        """What tells the blob from all others of the chart."""
        return self.source, self.port


@dataclass(frozen=True)
class Chart:
    """The items of a net in the order of its layers, and their wires."""

    items: tuple[Item, ...]
    wires: tuple[Wire, ...]


def block_of(name: str) -> Block:
    """The path of the block that a layer stands in: (a, b) for a/b/c; names with an empty part stand in none."""
    path = name.split("/")
    return tuple(path[:-1]) if all(path) else ()


def chart(shaped: ShapedGraph, depth: int | None = None, shut: Collection[Block] = ()) -> Chart:
    """The chart of a net; blocks deeper than `depth` levels of names, and those in `shut`, are folded."""
    return _Charting(shaped).chart(depth, frozenset(shut))


class _Charting:
    """The work on one net."""

    def __init__(self, shaped: ShapedGraph) -> None:
        self.shaped, self.graph = shaped, shaped.graph
        self.readers: dict[int, list[tuple[int, int]]] = {blob.index: [] for blob in self.graph.blobs}
        for node in self.graph.nodes:
            for slot, blob in enumerate(node.bottoms):
                self.readers[blob].append((node.index, slot))
        self.labels = {blob for blob in self.graph.inputs if self._is_label(blob)}

    def _is_label(self, blob: int) -> bool:
        """Whether a blob of the data is the truth: only read beside what is judged by it, or for its values alone."""

        def judged(node: Node, slot: int) -> bool:
            layer = node.layer
            return slot > 0 and (layer.is_loss or slot in layer.without_diff(len(node.bottoms)))

        readers = self.readers[blob]
        return bool(readers) and all(judged(self.graph.nodes[n], slot) for n, slot in readers)

    def chart(self, depth: int | None, shut: frozenset[Block]) -> Chart:
        items: list[Item] = []
        wires: list[Wire] = []
        home: dict[int, int] = {}
        """For each layer, its item."""
        for node in self.graph.nodes:
            for slot, blob in enumerate(node.bottoms):
                if self._reads_labels(node, slot):
                    items.append(self._label(blob, node))
            host = self._host(node, home)
            if host is not None:
                home[node.index] = host
                items[host] = _with_strip(items[host], self._part(node))
            elif not (node.tops and self.labels.issuperset(node.tops)):
                home[node.index] = len(items)
                items.append(self._item(node))
        wires = list(self._wires(items, home))
        made = Chart(tuple(items), tuple(wires))
        return folded(made, depth, shut)

    def _reads_labels(self, node: Node, slot: int) -> bool:
        """Whether a bottom is the first of its layer that reads these labels."""
        return node.bottoms[slot] in self.labels and node.bottoms.index(node.bottoms[slot]) == slot

    def _host(self, node: Node, home: dict[int, int]) -> int | None:
        """The item in which a layer is a strip; None where it has a box of its own."""
        layer, graph = node.layer, self.graph
        if layer.purpose not in _MERGED and layer.type not in _MERGED_TYPES:
            return None
        if len(node.bottoms) != 1 or len(node.tops) != 1 or self.shaped.blobs[node.bottoms[0]] == ():
            return None
        maker = graph.nodes[graph.blobs[node.bottoms[0]].producer]
        first = maker.layer
        alone = len(self.readers[node.bottoms[0]]) == 1 and len(maker.tops) == 1
        alike = self.shaped.blobs[node.bottoms[0]] == self.shaped.blobs[node.tops[0]]
        plain = first.purpose not in {"data", "shape"} and not isinstance(first, Eltwise)
        together = block_of(first.name) == block_of(layer.name)
        return home.get(maker.index) if alone and alike and plain and together else None

    def _part(self, node: Node) -> Part:
        top = self.shaped.blobs[node.tops[0]] if node.tops else ()
        kind = "loss" if node.layer.is_loss else "score" if node.layer.is_score else node.layer.purpose
        return Part(node.layer.name, head(node.layer, top), kind, self.shaped.costs[node.index].params)

    def _item(self, node: Node) -> Item:
        layer, part = node.layer, self._part(node)
        cost = self.shaped.costs[node.index]
        if isinstance(layer, Eltwise) and len(node.bottoms) > 1 and not any(c != 1 for c in layer.coeff):
            lines: tuple[str, ...] = (_SIGNS[layer.operation],)
            return Item(layer.name, block_of(layer.name), part.kind, "circle", lines, (part,))
        top = self.shaped.blobs[node.tops[0]] if node.tops else ()
        further = rest(layer, top)
        low = part.kind in _LOW and not part.params and not further
        figures = self._shared(node) or _params(part.params)
        lines = (part.type,) if low else tuple(line for line in (part.type, further, figures) if line)
        form: Form = "pill" if low else "box"
        return Item(
            layer.name, block_of(layer.name), part.kind, form, lines, (part,), params=part.params, macs=cost.macs
        )

    def _shared(self, node: Node) -> str:
        """In words, the layer that owns all params of a layer; empty where that is the layer itself."""
        owners = {self.graph.params[param].users[0][0] for param in node.params}
        alone = len(owners) == 1 and owners != {node.index}
        return f"params of {visible(self.graph.nodes[owners.pop()].layer.name)}" if alone else ""

    def _label(self, blob: int, reader: Node) -> Item:
        made = self.graph.blobs[blob]
        part = Part(self.graph.nodes[made.producer].layer.name, "Input", "label", 0)
        return Item(made.name, block_of(reader.layer.name), "label", "pill", (), (part,))

    def _wires(self, items: list[Item], home: dict[int, int]) -> Iterator[Wire]:
        """All wires: those of labels, and from each item's last layer to its readers."""
        pills = iter([index for index, item in enumerate(items) if item.kind == "label"])
        for node in self.graph.nodes:
            for slot, blob in enumerate(node.bottoms):
                if self._reads_labels(node, slot):
                    name, shape = self.graph.blobs[blob].name, self._shape(blob)
                    yield Wire(next(pills), 0, home[node.index], slot, name, shape)
        for node in self.graph.nodes:
            for port, top in enumerate(node.tops):
                if node.index in home and top not in self.labels:
                    yield from self._leaving(home, node, port)

    def _leaving(self, home: dict[int, int], node: Node, port: int) -> Iterator[Wire]:
        """The wires of a layer's top to the items that read it; a top that nothing reads has one that ends nowhere."""
        source, top = home[node.index], node.tops[port]
        name, shape = self.graph.blobs[top].name, self._shape(top)
        slots = {home[reader]: slot for reader, slot in reversed(self.readers[top])}
        if not slots and self.shaped.blobs[top]:
            yield Wire(source, port, None, 0, name, shape)
        for target, slot in sorted(slots.items()):
            if target != source:
                yield Wire(source, port, target, slot, name, shape)

    def _shape(self, blob: int) -> str:
        """The shape of a blob without its batch axis; a vector of one number for each sample is '1'."""
        sample = self.shaped.sample_shape(blob)
        return "1" if self.shaped.blobs[blob] and not sample else text(sample)


def _params(params: int) -> str:
    return counted(params, "param") if params else ""


def _with_strip(item: Item, part: Part) -> Item:
    return replace(item, parts=(*item.parts, part), params=item.params + part.params)


def folded(open_: Chart, depth: int | None, shut: frozenset[Block]) -> Chart:
    """The chart with blocks folded; a block whose folding would make a circle of wires stays open."""
    every = (item.block[:n] for item in open_.items for n in range(1, len(item.block) + 1))
    paths = sorted(dict.fromkeys(every), key=len)
    done: list[Block] = []
    for path in paths:
        wanted = path in shut or (depth is not None and len(path) >= depth)
        if wanted and not any(path[: len(other)] == other for other in done):
            smaller = _fold(open_, path)
            if smaller is not None:
                open_, done = smaller, [*done, path]
    return open_


def _fold(chart: Chart, path: Block) -> Chart | None:
    """The chart with one block as an item; None where it would be its own source, or is a single item."""
    inside = {i for i, item in enumerate(chart.items) if item.block[: len(path)] == path}
    layers = [i for i in sorted(inside) if chart.items[i].kind != "label"]
    if len(layers) < 2 or not convex(inside, chart.wires):
        return None
    parts = tuple(part for i in layers for part in chart.items[i].parts)
    params, macs = (sum(getattr(chart.items[i], what) for i in layers) for what in ("params", "macs"))
    lines = tuple(line for line in (counted(len(parts), "layer"), _params(params)) if line)
    one = Item("/".join(path), path[:-1], "block", "box", lines, parts, path, params, macs)
    place = layers[0]
    numbers: dict[int, int] = {}
    items: list[Item] = []
    for i, item in enumerate(chart.items):
        if i in inside and i != place:
            continue
        numbers[i] = len(items)
        items.append(one if i == place else item)
    numbers |= dict.fromkeys(inside, numbers[place])
    return Chart(tuple(items), tuple(_outside(chart.wires, inside, numbers)))


def _outside(wires: tuple[Wire, ...], inside: set[int], numbers: dict[int, int]) -> Iterator[Wire]:
    """The wires of the smaller chart, with new numbers; ports of the block are counted anew, one for each blob."""
    ports: dict[tuple[int, int], int] = {}
    seen: set[tuple[int, int, int | None]] = set()
    for wire in wires:
        if wire.source in inside and (wire.target in inside):
            continue
        source, port = numbers[wire.source], wire.port
        if wire.source in inside:
            port = ports.setdefault((wire.source, wire.port), len(ports))
        target = None if wire.target is None else numbers[wire.target]
        if (source, port, target) not in seen:
            seen.add((source, port, target))
            yield replace(wire, source=source, port=port, target=target)


def convex(inside: set[int], wires: tuple[Wire, ...]) -> bool:
    """Whether no way leads out of a set of items and back into it."""
    after: dict[int, list[int]] = {}
    for wire in wires:
        if wire.target is not None:
            after.setdefault(wire.source, []).append(wire.target)
    reached = [target for i in inside for target in after.get(i, ()) if target not in inside]
    seen = set(reached)
    while reached:
        for target in after.get(reached.pop(), ()):
            if target in inside:
                return False
            if target not in seen:
                seen.add(target)
                reached.append(target)
    return True
