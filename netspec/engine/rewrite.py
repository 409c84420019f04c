"""ShapedGraph to ShapedGraph: named rewrites, each of which can be switched off.

A rewrite may change the layout of blobs in memory and the steps that run, never what is computed; `fold` rounds
otherwise. `fold` takes factors by channel into the weights before them, where params stand still. `batch_norm` and
`relu` let a layer compute the layer behind it along with itself; `sums` lets a convolution add its result to the other
bottom of a sum, in that bottom's memory. `layout` gives every layer one of the layouts that it takes, and inserts a
conversion where a blob has another layout than its reader. `in_place` lets a top overwrite its bottom, and `place`, in
`placing.py`, lets layers write directly into the top of the Concat that joins their tops. `add` lets layers add to a
gradient that another layer wrote, and `store` lets them overwrite gradients of params, which are then not cleared.
`thin`, in `thinning.py`, lets sums be computed
only where they are read. Those in `fusing.py` spare passes over memory.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import replace

from netspec.core.errors import UsageError
from netspec.core.shape import Shape
from netspec.core.spelling import suggest
from netspec.core.verify import verifying
from netspec.engine import fusing
from netspec.engine.conversion import Conversion
from netspec.engine.placing import place
from netspec.engine.thinning import thin
from netspec.layers.batch_norm import BatchNorm
from netspec.layers.eltwise import Eltwise
from netspec.layers.relu import ReLU
from netspec.layers.scale import Scale
from netspec.net.graph import Graph, GraphBlob, GraphParam, Node
from netspec.net.shaped import Cost, ShapedGraph

PLAIN = "NCHW"


def fold(shaped: ShapedGraph) -> ShapedGraph:
    """Let a layer take a BatchNorm, then a Scale, behind it into its weight and bias, where no param changes."""

    def host(node: Node, before: Node) -> Node | None:
        kind, shape = node.layer.type, shaped.blobs[node.tops[0]]
        fits = kind in before.layer.abilities.folds and kind not in before.along and len(shape) in {2, 4}
        if kind == "BatchNorm":
            fits = fits and "Scale" not in before.along
            able = isinstance(node.layer, BatchNorm) and node.layer.running(shaped.graph.phase)
        else:
            able = _per_channel(shaped, node)
        return replace(before, along={**before.along, kind: node.index}) if fits and able else None

    return _absorb(shaped, host) if shaped.graph.still else shaped


def batch_norm(shaped: ShapedGraph) -> ShapedGraph:
    """Let a BatchNorm without learned factors compute a Scale that is the only reader of its top."""

    def host(node: Node, before: Node) -> Node | None:
        learns = any(param.learned for param in before.layer.params())
        if "Scale" not in before.layer.abilities.along or learns or before.along or not _per_channel(shaped, node):
            return None
        return replace(before, along={"Scale": node.index}, backward=before.backward or node.backward)

    return _absorb(shaped, host)


def _per_channel(shaped: ShapedGraph, node: Node) -> bool:
    """Whether a layer is a Scale with learned factors, one for each channel."""
    layer, (shape, *others) = node.layer, shaped.bottom_shapes(node)
    return type(layer) is Scale and not others and layer.axis in {1, 1 - len(shape)} and layer.num_axes == 1


def relu(shaped: ShapedGraph) -> ShapedGraph:
    """Let a layer compute a ReLU that is the only reader of its top."""

    def host(node: Node, before: Node) -> Node | None:
        plain = type(node.layer) is ReLU and node.layer.negative_slope == 0
        able = plain and "ReLU" in before.layer.abilities.along and "ReLU" not in before.along
        return replace(before, along={**before.along, "ReLU": node.index}) if able else None

    return _absorb(shaped, host)


def _absorb(shaped: ShapedGraph, host: Callable[[Node, Node], Node | None]) -> ShapedGraph:
    """Let layers compute the only reader of their top.

    `host(node, before)` is the layer `before` changed to compute `node` too; None where it cannot.
    """
    graph = shaped.graph
    nodes, blobs = list(graph.nodes), list(graph.blobs)
    for node in graph.nodes:
        if len(node.tops) != 1 or not node.bottoms:
            continue
        below = blobs[node.bottoms[0]]
        if len(graph.readers(below.index)) > 1 or below.loss_weight or below.kept:
            continue
        before = nodes[below.producer]
        while before.absorbed:
            before = nodes[blobs[before.bottoms[0]].producer]
        stopped = before.backward and not node.propagate[0]  # its host would send the gradient on
        merged = host(node, before) if len(before.tops) == 1 and not stopped else None
        if merged is not None:
            nodes[node.index], nodes[before.index] = replace(node, absorbed=True), merged
            blobs[before.tops[0]] = replace(blobs[before.tops[0]], needs_diff=merged.backward)
    return replace(shaped, graph=replace(graph, nodes=tuple(nodes), blobs=tuple(blobs)))


def layout(shaped: ShapedGraph) -> ShapedGraph:
    """Choose the layout of each layer's blobs of four axes: that of its bottom if possible, else with a conversion."""
    return _Layout(shaped, follow=True).rewritten()


def plain(shaped: ShapedGraph) -> ShapedGraph:
    """Runs instead of `layout` where that is off: NCHW, except for layers that do not take NCHW."""
    return _Layout(shaped, follow=False).rewritten()


class _Layout:
    """Walks the layers in order, and inserts each conversion directly before the first layer that needs it."""

    def __init__(self, shaped: ShapedGraph, follow: bool) -> None:
        self.shaped, self.graph, self.follow = shaped, shaped.graph, follow
        self.nodes: list[Node] = []
        self.blobs, self.shapes = list(self.graph.blobs), list(shaped.blobs)
        self.axes, self.fields = list(shaped.batch_axes), list(shaped.fields)
        self.costs: list[Cost] = []
        self.moved: dict[int, int] = {}
        """The new index of every layer."""
        self.copies: dict[tuple[int, str], int] = {}

    def rewritten(self) -> ShapedGraph:
        for node in self.graph.nodes:
            self.place(node)
        asked = {b for node in self.nodes for b, flag in zip(node.bottoms, node.propagate, strict=True) if flag}
        for index in self.copies.values():
            copy = self.blobs[index] = replace(self.blobs[index], needs_diff=index in asked)
            maker = self.nodes[copy.producer]
            self.nodes[maker.index] = replace(maker, propagate=(index in asked,), backward=index in asked)
        params = tuple(map(self.param, self.graph.params))
        alongs = [{word: self.moved[index] for word, index in node.along.items()} for node in self.nodes]
        nodes = tuple(replace(node, along=along) for node, along in zip(self.nodes, alongs, strict=True))
        graph = replace(self.graph, nodes=nodes, blobs=tuple(self.blobs), params=params)
        blobs, axes, fields = tuple(self.shapes), tuple(self.axes), tuple(self.fields)
        costs = tuple(self.costs)
        return replace(self.shaped, graph=graph, blobs=blobs, costs=costs, batch_axes=axes, fields=fields)

    def place(self, node: Node) -> None:
        word = self.choose(node)
        bottoms = tuple(self.wanted(bottom, word, node) for bottom in node.bottoms)
        self.moved[node.index] = index = len(self.nodes)
        self.nodes.append(replace(node, index=index, bottoms=bottoms, layout=word))
        self.costs.append(self.shaped.costs[node.index])
        for top in node.tops:
            lying = word if len(self.shapes[top]) == 4 else PLAIN
            self.blobs[top] = replace(self.blobs[top], producer=index, layout=lying)

    def choose(self, node: Node) -> str:
        """The layout of the first bottom of four axes if the layer takes it, else the layer's preferred layout."""
        first = next((self.blobs[b].layout for b in node.bottoms if len(self.shapes[b]) == 4), "")
        liked = first if self.follow or node.absorbed else PLAIN
        layouts = node.layer.abilities.layouts
        return liked if liked in layouts or (liked and node.absorbed) else layouts[0]

    def wanted(self, blob: int, word: str, reader: Node) -> int:
        """The blob itself if it has the reader's layout, else its copy in that layout."""
        if len(self.shapes[blob]) != 4 or self.blobs[blob].layout == word:
            return blob
        if (blob, word) not in self.copies:
            self.copies[blob, word] = self.convert(self.blobs[blob], self.shapes[blob], word, reader)
        return self.copies[blob, word]

    def convert(self, blob: GraphBlob, shape: Shape, word: str, reader: Node) -> int:
        index, producer = len(self.blobs), len(self.nodes)
        same = shape[1] == 1 or shape[2] * shape[3] == 1
        name = f"{blob.label} -> {reader.layer.name}"
        layer = Conversion.model_construct(name=name, to="NHWC" if word == "NHWC" else "NCHW", same=same)
        self.nodes.append(Node(producer, layer, (blob.index,), (index,), (), (False,), layout=word))
        self.costs.append(Cost())
        copy = replace(blob, index=index, producer=producer, slot=0, loss_weight=0.0)
        self.blobs.append(replace(copy, layout=word, copy_of=blob.index))
        self.shapes.append(shape)
        self.axes.append(self.axes[blob.index])
        self.fields.append(self.fields[blob.index])
        return index

    def param(self, param: GraphParam) -> GraphParam:
        return replace(param, users=tuple((self.moved[node], slot) for node, slot in param.users))


def sums(shaped: ShapedGraph) -> ShapedGraph:
    """Let a convolution whose top only a sum of two reads add to the sum's other bottom, where nobody needs that later.

    The sum's factors are 1, and no layer runs backward. A ReLU that the sum computes along goes with it.
    """
    graph = shaped.graph
    for node in graph.nodes if graph.still else ():
        for slot in (1, 0) if _adds_two(node) else ():
            summed, onto = (graph.blobs[blob] for blob in (node.bottoms[slot], node.bottoms[1 - slot]))
            maker = graph.nodes[summed.producer]
            host = graph.hosts.get(maker.index, maker)
            free = host.onto is None and "ReLU" not in host.along and not (summed.loss_weight or summed.kept)
            alone = free and "Eltwise" in host.layer.abilities.along and len(graph.readers(summed.index)) == 1
            if alone and summed.layout == onto.layout == host.layout and _over(graph, host, node, onto.index):
                nodes = list(graph.nodes)
                nodes[host.index] = replace(
                    host, along={**host.along, "Eltwise": node.index, **node.along}, onto=onto.index
                )
                nodes[node.index] = replace(node, absorbed=True, along={})
                graph = replace(graph, nodes=tuple(nodes))
                break
    return replace(shaped, graph=graph)


def _adds_two(node: Node) -> bool:
    """Whether a layer is a sum of two bottoms, and runs."""
    layer = node.layer
    return (
        isinstance(layer, Eltwise)
        and layer.operation == "SUM"
        and len(node.bottoms) == 2
        and {1.0, *layer.coeff} == {1.0}
    )


def _over(graph: Graph, host: Node, node: Node, onto: int) -> bool:
    """Whether a layer may write over the memory of a blob: it is complete by then, and only `node` reads it later."""
    blobs = [blob for blob in graph.blobs if graph.storage[blob.index] == graph.storage[onto]]
    wanted = any(
        blob.loss_weight or blob.kept or blob.index in graph.inputs or not graph.readers(blob.index) for blob in blobs
    )
    readers = [graph.nodes[index] for blob in blobs for index, _ in graph.readers(blob.index) if index != node.index]
    ran = [graph.hosts.get(reader.index, reader) for reader in readers if reader.absorbed or graph.runs(reader)]
    makers = [graph.nodes[blob.producer] for blob in blobs]
    ran += [graph.hosts.get(maker.index, maker) for maker in makers if maker.absorbed or graph.runs(maker)]
    return not wanted and all(one.index < host.index for one in ran)


def in_place(shaped: ShapedGraph) -> ShapedGraph:
    """Let tops overwrite their bottoms, and diffs likewise, where no other layer needs the old values."""
    graph = shaped.graph
    shared: dict[int, list[int]] = {}
    """Blobs that share memory, by the first blob in it."""
    for blob, storage in enumerate(graph.storage):
        shared.setdefault(storage, []).append(blob)
    home = list(graph.storage)
    inside: set[int] = set()
    for node in graph.nodes:
        if not node.layer.abilities.in_place or len(node.tops) != 1 or not graph.runs(node):
            continue
        below, above = home[node.bottoms[0]], home[node.tops[0]]
        fits = shaped.blobs[node.bottoms[0]] == shaped.blobs[node.tops[0]] and below not in graph.inputs
        if fits and _may_overwrite(graph, node, shared[below], inside) and _receives(graph, node, shared[above]):
            inside.add(node.index)
            shared[below] += shared.pop(above)
            for blob in shared[below]:
                home[blob] = below
    nodes = tuple(replace(node, in_place=node.index in inside) for node in graph.nodes)
    return replace(shaped, graph=replace(graph, nodes=nodes))


def _may_overwrite(graph: Graph, node: Node, blobs: list[int], inside: set[int]) -> bool:
    """Whether only `node`, and layers that work in place in this memory, read these blobs and their gradients."""
    readers = [at for blob in blobs for at in graph.readers(blob) if graph.runs(graph.nodes[at[0]])]
    others = [(reader, slot) for reader, slot in readers if slot != 0 or reader not in inside]
    producers = (graph.nodes[graph.blobs[blob].producer] for blob in blobs)
    writers = [maker for maker in producers if graph.runs(maker)]
    own = (graph.blobs[blob] for blob in blobs)
    wanted = any(blob.loss_weight or blob.kept or not graph.readers(blob.index) for blob in own)
    wanted = wanted or any(other.onto in blobs for other in graph.nodes)
    reread = any("top" in maker.reads or (maker.index in inside and maker.reads) for maker in writers)
    stopped = not node.propagate[0] and any(maker.backward for maker in writers)
    return others == [(node.index, 0)] and not (wanted or reread or stopped)


def _receives(graph: Graph, node: Node, blobs: list[int]) -> bool:
    """Whether a layer's top, in the memory of these blobs, has no gradient, or has one from readers only."""
    readers = [(graph.nodes[index], slot) for blob in blobs for index, slot in graph.readers(blob)]
    given = any(graph.runs(reader) and reader.propagate[slot] for reader, slot in readers)
    return not node.backward or (given and not any(graph.blobs[blob].loss_weight for blob in blobs))


def add(shaped: ShapedGraph) -> ShapedGraph:
    """Let layers add to gradients of bottoms that other layers wrote before, where their kernels can."""
    nodes = tuple(replace(node, adds=node.layer.abilities.adds) for node in shaped.graph.nodes)
    return replace(shaped, graph=replace(shaped.graph, nodes=nodes))


def store(shaped: ShapedGraph) -> ShapedGraph:
    """Let layers overwrite the gradients of params that no other layer computes a gradient of."""
    graph = shaped.graph

    def sole(param: GraphParam) -> bool:
        return param.learned and sum(graph.nodes[user].backward for user, _ in param.users) == 1

    def stores(node: Node) -> tuple[bool, ...]:
        able = node.backward and graph.hosts.get(node.index, node).layer.abilities.stores
        return tuple(able and sole(graph.params[param]) for param in node.params)

    nodes = tuple(replace(node, stores=stores(node)) for node in graph.nodes)
    return replace(shaped, graph=replace(graph, nodes=nodes))


_ORDER = (fold, batch_norm, relu, layout, sums, in_place, place, add, store)
_FUSING = (
    thin,
    fusing.hands,
    fusing.on_read,
    fusing.moments,
    fusing.known,
    fusing.products,
    fusing.pulled,
    fusing.again,
)
REWRITES: dict[str, Callable[[ShapedGraph], ShapedGraph]] = {one.__name__: one for one in (*_ORDER, *_FUSING)}
FUSING = tuple(one.__name__ for one in _FUSING)
"""Rewrites that spare passes over memory: without them every layer makes its own."""
INSTEAD = {"layout": plain}
"""Pass to run when a rewrite is off; others are skipped."""
HIDING = frozenset(
    {
        "fold",
        "batch_norm",
        "sums",
        "relu",
        "in_place",
        "place",
        "store",
        "thin",
        "hands",
        "on_read",
        "products",
        "pulled",
        "again",
    }
)
"""Rewrites that make some blob unreadable, or let gradients of params be overwritten instead of added to."""


def rewrite(shaped: ShapedGraph, without: Collection[str] = ()) -> ShapedGraph:
    """Run all rewrites in order, except those named in `without`. Raises UsageError for unknown names."""
    for name in sorted(set(without) - set(REWRITES)):
        raise UsageError(f"there is no rewrite '{name}'", help=suggest(name, REWRITES))
    laid = False
    for name, one in REWRITES.items():
        chosen = INSTEAD.get(name) if name in without else one
        if chosen is None:
            continue
        before, shaped = shaped, chosen(shaped)
        laid = laid or name == "layout"
        if verifying():
            from netspec.engine.verify_rewrite import verify_rewritten

            verify_rewritten(before, shaped, name, laid)
    return shaped
