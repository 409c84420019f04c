"""The net as Caffe builds it: one blob for all versions of a name, a Split where several layers read a blob.

Source: Caffe net.cpp (Init), insert_splits.cpp. A layer that works in place overwrites data and diff of its bottom. A
blob that several layers read goes through a Split of its own, whose tops `<blob>_<layer>_<slot>_split_<number>` each
hold the gradient of one reader; a loss weight is one reader more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from netspec.layers.base import Layer
from netspec.net.graph import Graph, Node
from netspec.prototxt.fields import AUTOMATIC


@dataclass(frozen=True)
class CaffeBlob:
    """A blob under its name in Caffe; `versions` are those of the graph that lie in it, oldest first.

    `split` says that it is the top of a Split that Caffe adds by itself.
    """

    name: str
    versions: tuple[int, ...]
    split: bool = False


@dataclass(frozen=True)
class CaffeLayer:
    """A layer, or a Split that Caffe adds (`node` is None), with the numbers of its blobs.

    `weights[i]` is the loss weight of top i. `backward`: it runs backward; `propagate[i]`: it then writes the diff of
    bottom i.
    """

    name: str
    type: str
    node: int | None
    bottoms: tuple[int, ...]
    tops: tuple[int, ...]
    weights: tuple[float, ...]
    backward: bool = False
    propagate: tuple[bool, ...] = ()


@dataclass(frozen=True)
class CaffeNet:
    """The layers and blobs of a net in Caffe's order."""

    layers: tuple[CaffeLayer, ...]
    blobs: tuple[CaffeBlob, ...]

    @property
    def outputs(self) -> tuple[int, ...]:
        """The blobs that no layer reads, by name in alphabetical order; an automatic top is none."""
        free: set[int] = set()
        for layer in self.layers:
            free = (free - {*layer.bottoms}) | {*layer.tops}
        named = (number for number in free if self.blobs[number].name != AUTOMATIC)
        return tuple(sorted(named, key=lambda number: self.blobs[number].name))


def as_caffe(graph: Graph, exact: bool, force: bool = False) -> CaffeNet:
    """The net of a graph, rewritten or not.

    `exact` has Caffe's habits: default loss weights are no reader of a blob; a loss that names no top has an automatic
    one; what runs backward is Caffe's choice, with `force_backward` where `force` says so. Else backward is the graph's
    own, and an output that was made in place keeps a diff of its own.
    """
    net = _Inserting(graph, exact).net()
    return replace(net, layers=_decided(graph, net, force)) if exact else net


class _Inserting:
    """Follows the layers in order, and puts a Split behind each that makes a blob with several readers."""

    def __init__(self, graph: Graph, exact: bool) -> None:
        self.graph, self.exact = graph, exact
        self.read = Counter(graph.original(bottom) for node in graph.written for bottom in node.bottoms)
        self.blobs: list[CaffeBlob] = []
        self.layers: list[CaffeLayer] = []
        self.number: dict[int, int] = {}
        """For each blob of the graph the number that its only reader reads."""
        self.waiting: dict[int, list[int]] = {}
        """For each blob with several readers the tops of its Split, in the order in which layers will read them."""

    def net(self) -> CaffeNet:
        for node in self.graph.written:
            below = map(self.graph.original, node.bottoms)
            bottoms = tuple(self.waiting[b].pop(0) if b in self.waiting else self.number[b] for b in below)
            tops = tuple(self.top(node, slot, bottoms) for slot in range(len(node.tops)))
            split = [self.split(node, slot) for slot, top in enumerate(node.tops) if self.readers(top) > 1]
            weights = tuple(self.weight(node, top) for top in node.tops)
            self.layers.append(CaffeLayer(node.layer.name, node.layer.type, node.index, bottoms, tops, weights))
            self.layers += split
        return CaffeNet(self._flagged(), tuple(self.blobs))

    def _flagged(self) -> tuple[CaffeLayer, ...]:
        """The layers with the graph's own choice of what runs backward."""
        found = []
        for layer in self.layers:
            if layer.node is not None:
                node = self.graph.nodes[layer.node]
                found.append(replace(layer, backward=node.backward, propagate=node.propagate))
            else:
                learns = self.graph.blobs[self.blobs[layer.tops[0]].versions[0]].needs_diff
                found.append(replace(layer, backward=learns, propagate=(learns,)))
        return tuple(found)

    def readers(self, blob: int) -> int:
        """The layers that read a blob, and its loss weight."""
        return self.read[blob] + self.weighted(blob)

    def weighted(self, blob: int) -> bool:
        """Whether the loss weight of a blob counts as a reader."""
        one = self.graph.blobs[blob]
        given = self.graph.nodes[one.producer].layer.loss_weight is not None
        return bool(one.loss_weight) and (given or not self.exact)

    def shares(self, blob: int) -> bool:
        """Whether the loss weight of a blob goes to its Split."""
        return self.weighted(blob) and self.readers(blob) > 1

    def weight(self, node: Node, blob: int) -> float:
        """The loss weight that stays at a top. A loss whose weight has gone to its Split has its default again."""
        return float(node.layer.is_loss and self.exact) if self.shares(blob) else self.graph.blobs[blob].loss_weight

    def top(self, node: Node, slot: int, bottoms: tuple[int, ...]) -> int:
        """The number of a layer's top: its bottom's, where the layer works in place."""
        index = node.tops[slot]
        blob = self.graph.blobs[index]
        below = self.blobs[bottoms[slot]] if slot < len(bottoms) else None
        if below is not None and below.name == blob.name and (self.exact or self.read[index]):
            self.blobs[bottoms[slot]] = replace(below, versions=(*below.versions, index))
            self.number[index] = bottoms[slot]
        else:
            automatic = self.exact and node.layer.is_loss and node.layer.top is None
            self.number[index] = self.add(AUTOMATIC if automatic else blob.name, index)
        return self.number[index]

    def add(self, name: str, version: int, split: bool = False) -> int:
        self.blobs.append(CaffeBlob(name, (version,), split))
        return len(self.blobs) - 1

    def split(self, node: Node, slot: int) -> CaffeLayer:
        index = node.tops[slot]
        name = f"{self.graph.blobs[index].name}_{caffes_name(node.layer)}_{slot}_split"
        tops = [self.add(f"{name}_{k}", index, split=True) for k in range(self.readers(index))]
        weighted = self.weighted(index)
        self.waiting[index] = tops[weighted:]
        weight = self.graph.blobs[index].loss_weight if weighted else 0.0
        weights = (weight, *[0.0] * (len(tops) - 1))
        return CaffeLayer(name, "Split", None, (self.number[index],), tuple(tops), weights)


def caffes_name(layer: Layer) -> str:
    """The name of a layer in its prototxt, which other layers may have there too."""
    place = layer.place()
    return place.source.renamed.get(layer.name, layer.name) if place is not None else layer.name


def _decided(graph: Graph, net: CaffeNet, force: bool) -> tuple[CaffeLayer, ...]:
    """The layers with Caffe's own choice of what runs backward.

    A first walk, forward, follows gradients from learned params; a second, from the last layer to the first, keeps only
    what lies under a loss, and leaves out layers of whose tops nobody wants the diff.
    """
    wanted: set[int] = set()
    layers: list[CaffeLayer] = []
    for layer in net.layers:
        node = graph.nodes[layer.node] if layer.node is not None else None
        asked: Sequence[bool] = (node.layer.propagate_down if node is not None else None) or ()
        propagate = tuple(asked) or tuple(bottom in wanted for bottom in layer.bottoms)
        runs = any(bottom in wanted for bottom in layer.bottoms) or (node is not None and _learns(graph, node))
        wanted.update(layer.tops if runs else ())
        layers.append(replace(layer, backward=runs, propagate=propagate))
    under: set[int] = set()
    skipped: set[int] = set()
    for at, layer in reversed([*enumerate(layers)]):
        counts = any(layer.weights) or not under.isdisjoint(layer.tops)
        runs, skips = layer.backward and counts, skipped.issuperset(layer.tops)
        propagate = layer.propagate if counts and not (layer.backward and skips) else (False,) * len(layer.bottoms)
        under.update(layer.bottoms if counts else ())
        skipped.update(b for b, flag in zip(layer.bottoms, propagate, strict=True) if not flag)
        layers[at] = replace(layer, backward=runs and not skips, propagate=propagate)
    return tuple(_forced(graph, layer) for layer in layers) if force else tuple(layers)


def _learns(graph: Graph, node: Node) -> bool:
    """Whether a layer has a param with a rate. Caffe looks before BatchNorm sets the rates of its own params to 0."""
    if node.layer.type == "BatchNorm":
        said = [spec.lr_mult for spec in node.layer.param]
        return len(said) < len(node.params) or any(rate != 0 for rate in said)
    return any(graph.params[param].lr_mult for param in node.params)


def _forced(graph: Graph, layer: CaffeLayer) -> CaffeLayer:
    """A layer under `force_backward`: every bottom that may have a gradient gets it."""
    if layer.node is None:
        return replace(layer, backward=True, propagate=(True,))
    one = graph.nodes[layer.node].layer
    closed = one.without_diff(len(layer.bottoms)) if one.differentiable else {*range(len(layer.bottoms))}
    flags = (flag or slot not in closed for slot, flag in enumerate(layer.propagate))
    return replace(layer, backward=True, propagate=tuple(flags))


UNASKED = {"BatchNorm": (0,), "LRN": (0,), "MVN": (0,), "Softmax": (0,), "Im2col": (0,), "RNN": (0, 2), "LSTM": (0, 2)}
"""Bottoms of which a layer type writes the diff whenever it runs backward, whether or not it propagates there."""


def writes(layer: Layer, propagate: Sequence[bool]) -> tuple[bool, ...]:
    """The bottoms of which a layer that runs backward writes the diff in Caffe."""
    closed = layer.without_diff(len(propagate))
    unasked = (0, 1) if layer.type == "LSTMUnit" and any(propagate) else UNASKED.get(layer.type, ())
    always = {*unasked} - closed
    return tuple((flag and slot not in layer.shape_only) or slot in always for slot, flag in enumerate(propagate))


def with_gradients(graph: Graph, net: CaffeNet, force: bool) -> Graph:
    """The graph that computes the gradients which the layers of `net` write."""
    nodes = list(graph.nodes)
    forced: set[int] = set()
    for layer in net.layers:
        if layer.node is None or not layer.backward:
            continue
        node = nodes[layer.node]
        closed = node.layer.without_diff(len(node.bottoms))
        flags = tuple(flag and slot not in closed for slot, flag in enumerate(writes(node.layer, layer.propagate)))
        unasked = layer.type in {"RNN", "LSTM"}
        forced.update(node.params if force or unasked else ())
        learns = any(graph.params[p].param.learned and (graph.params[p].lr_mult or p in forced) for p in node.params)
        runs = node.layer.differentiable and (any(flags) or learns)
        nodes[layer.node] = replace(node, backward=runs, propagate=flags if runs else (False,) * len(flags))
    needs = {b for node in nodes for slot, b in enumerate(node.bottoms) if node.propagate[slot]}
    needs |= {top for node in nodes if node.backward for top in node.tops}
    blobs = tuple(replace(blob, needs_diff=blob.index in needs) for blob in graph.blobs)
    params = tuple(replace(param, forced=param.index in forced) for param in graph.params)
    return replace(graph, nodes=tuple(nodes), blobs=blobs, params=params)


def refused(graph: Graph, net: CaffeNet) -> str | None:
    """What Caffe's backward of this net ends with: a gradient that a layer cannot give; None where it runs."""
    for layer in net.layers:
        if layer.node is None or not layer.backward:
            continue
        node = graph.nodes[layer.node]
        closed = node.layer.without_diff(len(node.bottoms)) - node.layer.shape_only
        for slot, flag in enumerate(layer.propagate):
            if flag and (slot in closed or not node.layer.differentiable):
                label = graph.blobs[node.bottoms[slot]].label
                return f"layer '{layer.name}' ({layer.type}) cannot pass a gradient to its bottom '{label}'"
    return None
