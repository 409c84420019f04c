"""The graph: blobs, layers and params of one phase, which refer to each other by index.

Blobs are single-assignment inside: a layer that names its bottom as its top makes a new version of the blob. The memory
plan decides whether both versions share memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

from netspec.core.calls import Phase
from netspec.layers.base import Broken, Layer, Param, StateRule
from netspec.layers.concat import Concat

Gradients = Literal["none", "loss", "any", "inputs"]
"""Extent of backward: no layer; from losses down to learned params; from any top; down to the inputs too."""


@dataclass(frozen=True)
class State:
    """Phase, level and stages, which include and exclude rules test."""

    phase: Phase = "TRAIN"
    level: int = 0
    stages: tuple[str, ...] = ()

    def meets(self, rule: StateRule) -> bool:
        """Whether every condition of the rule holds."""
        return (
            rule.phase in {None, self.phase}
            and (rule.min_level is None or self.level >= rule.min_level)
            and (rule.max_level is None or self.level <= rule.max_level)
            and all(stage in self.stages for stage in rule.stage)
            and not any(stage in self.stages for stage in rule.not_stage)
        )

    def keeps(self, layer: Layer) -> bool:
        """Whether a layer takes part: some include rule is met or, without include rules, no exclude rule."""
        if layer.include is not None:
            return any(self.meets(rule) for rule in layer.include)
        return not any(self.meets(rule) for rule in layer.exclude or ())


@dataclass(frozen=True)
class GraphBlob:
    """One version of a named blob: top number `slot` of the layer `producer`.

    `loss_weight` is its factor in the loss; `needs_diff` says whether a gradient is computed. The rewrites set the
    others: `layout` is the order in memory, `copy_of` the blob whose values it holds in another layout, `inside` the
    wider blob that it lies in, with the first channel there. `kept`: a caller reads it, so that no rewrite hides it.
    """

    index: int
    name: str
    version: int
    producer: int
    slot: int
    loss_weight: float = 0.0
    needs_diff: bool = False
    layout: str = "NCHW"
    copy_of: int | None = None
    inside: tuple[int, int] | None = None
    kept: bool = False

    @property
    def label(self) -> str:
        """The name, with its version from the second on, and with its layout where it is a copy.

        A name that looks like another blob's label stands in quotes.
        """
        label = repr(self.name) if "#" in self.name else self.name
        label += f"#{self.version}" if self.version else ""
        return label if self.copy_of is None else f"{label} {self.layout}"


class Fused(NamedTuple):
    """Work of a BatchNorm that other layers do (`core/beside.py`): by which layer, at which of its bottoms.

    `on_read`: its top is not written, and every reader normalises. `moments`: the layer that writes its bottom leaves
    the moments, `products`: the last layer that writes its top's gradient leaves the sums, in so many `pieces`.
    `pulled`: its bottom's gradient is not written; the layer that wrote the bottom computes it.
    """

    node: int = -1
    slot: int = 0
    pieces: int = 0


@dataclass(frozen=True)
class Node:
    """A layer in the graph, its blobs and params by index.

    `propagate[i]`: backward writes the gradient of bottom i. `backward`: the layer runs backward. The rewrites set:
    `layout`, the memory order of its blobs of four axes; `along`, the layers that it computes along with itself,
    by type; `absorbed`, another layer computes it; `in_place`, it runs, and its top lies in its bottom's
    memory; `adds`, it adds to a gradient that others wrote; `stores[i]`, it overwrites the gradient of param i, which
    is then not cleared; `onto`, the blob that it adds its result to, in whose memory its top lies; `known`, an earlier
    BatchNorm whose moments are those of its own first channels; `hands`, the bottoms whose gradients lie in the memory
    of its top's; `fused`, what other layers do for a BatchNorm; `again`, the layer in whose backward its top is
    computed anew, as it was not kept since forward; `every`, how many lines and columns of its bottoms lie between
    those that its top has, which are all that is read of it: then `hands` are the bottoms whose gradients lie in the
    memory of bottom 0's.
    """

    index: int
    layer: Layer
    bottoms: tuple[int, ...]
    tops: tuple[int, ...]
    params: tuple[int, ...]
    propagate: tuple[bool, ...] = ()
    backward: bool = False
    layout: str = "NCHW"
    along: Mapping[str, int] = field(default_factory=dict)
    absorbed: bool = False
    in_place: bool = False
    adds: bool = False
    stores: tuple[bool, ...] = ()
    onto: int | None = None
    known: int | None = None
    hands: frozenset[int] = frozenset()
    fused: Mapping[str, Fused] = field(default_factory=dict)
    again: int | None = None
    every: tuple[int, int] = (1, 1)

    @property
    def thinned(self) -> bool:
        """Whether its top has only some of the pixels of its bottoms."""
        return self.every != (1, 1)

    @property
    def hands_to(self) -> int:
        """The blob in whose gradient's memory those of the bottoms `hands` lie."""
        return self.bottoms[0] if self.thinned else self.tops[0]

    @property
    def folds(self) -> bool:
        """Whether it takes a BatchNorm or a Scale into its weight and bias."""
        return not self.layer.abilities.folds.isdisjoint(self.along)

    @property
    def reads(self) -> frozenset[str]:
        """Data that its backward reads, 'bottom' or 'top': along with a Scale the bottom, with a ReLU the top too."""
        own = self.layer.abilities.reads if "Scale" not in self.along else frozenset({"bottom"})
        if self.absorbed or not self.backward:
            return frozenset()
        return own | {"top"} if "ReLU" in self.along else own


class ParamKey(NamedTuple):
    """A param of a layer. Its text layer.param is unambiguous: the names of params are words without dots."""

    layer: str
    param: str

    def __str__(self) -> str:
        return f"{self.layer}.{self.param}" if self.layer else self.param


@dataclass(frozen=True)
class GraphParam:
    """A param blob of the net, owned by its first user; `users` are (layer, slot) in the order of layers.

    `forced`: it has a gradient even where its rate is 0, because a caller asked for the gradients of the inputs.
    """

    index: int
    name: str
    param: Param
    users: tuple[tuple[int, int], ...]
    lr_mult: float
    decay_mult: float
    permissive: bool = False
    forced: bool = False

    @property
    def learned(self) -> bool:
        """Whether it has a gradient: the solver changes it, or it is `forced`."""
        return self.param.learned and (self.lr_mult != 0 or self.forced)


@dataclass(frozen=True)
class Graph:
    """The wired layers of one phase."""

    name: str
    state: State
    nodes: tuple[Node, ...]
    blobs: tuple[GraphBlob, ...]
    params: tuple[GraphParam, ...]

    @property
    def phase(self) -> Phase:
        """TRAIN or TEST."""
        return self.state.phase

    @property
    def sound(self) -> bool:
        """Whether every layer validated and has a name of its own."""
        layers = [node.layer for node in self.nodes]
        return len({layer.name for layer in layers}) == len(layers) and not any(isinstance(x, Broken) for x in layers)

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """Tops of Input layers, in order: the blobs that a feed fills."""
        return tuple(top for node in self.nodes if node.layer.fed for top in node.tops)

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """Blobs that no layer reads, but for inputs, by name in alphabetical order. Source: Caffe net.cpp (Init)."""
        fed = set(self.inputs)
        free = (blob for blob in self.blobs if not self._readers[blob.index] and blob.index not in fed)
        return tuple(blob.index for blob in sorted(free, key=lambda blob: (blob.name, blob.version)))

    @cached_property
    def counted(self) -> dict[int, int]:
        """For each blob of which only the net's run says how many items it holds, the layer that counts them."""
        found: dict[int, int] = {}
        for node in self.nodes:
            if node.layer.counts:
                found |= dict.fromkeys(node.tops, node.index)
            elif node.layer.alone and node.bottoms and found.keys() >= {*node.bottoms}:
                found |= dict.fromkeys(node.tops, found[node.bottoms[0]])
        return found

    @property
    def still(self) -> bool:
        """Whether no run changes a param: the phase is TEST, and no layer runs backward."""
        return self.phase == "TEST" and not any(node.backward for node in self.nodes)

    @cached_property
    def hosts(self) -> dict[int, Node]:
        """For every absorbed layer, the layer that computes it."""
        return {index: node for node in self.nodes for index in node.along.values()}

    @cached_property
    def losses(self) -> tuple[int, ...]:
        """Blobs with a loss weight."""
        return tuple(blob.index for blob in self.blobs if blob.loss_weight)

    @cached_property
    def written(self) -> tuple[Node, ...]:
        """The layers of the spec, without the conversions that a rewrite put between them."""
        return tuple(node for node in self.nodes if all(self.blobs[top].copy_of is None for top in node.tops))

    @cached_property
    def named(self) -> dict[str, GraphBlob]:
        """The last version of every named blob, in the order they are first produced."""
        return {blob.name: blob for blob in self.blobs if blob.copy_of is None}

    @cached_property
    def param_keys(self) -> dict[ParamKey, int]:
        """The index of each layer's params, in the order of layers; those that layers share are there several times."""
        return {
            ParamKey(node.layer.name, param.name): index
            for node in self.nodes
            for param, index in zip(node.layer.params(), node.params, strict=True)
        }

    @cached_property
    def owners(self) -> tuple[ParamKey, ...]:
        """The key of every param, in order; of a shared one that of the first layer that has it."""
        keys = {index: key for key, index in reversed(self.param_keys.items())}
        return tuple(keys[param.index] for param in self.params)

    def latest(self, name: str) -> GraphBlob:
        """The last version of a named blob. Raises KeyError."""
        return self.named[name]

    def original(self, blob: int) -> int:
        """The blob itself; for a copy in another layout, the blob that it copies."""
        source = self.blobs[blob].copy_of
        return blob if source is None else source

    def runs(self, node: Node) -> bool:
        """Whether a layer has steps of its own: no other layer computes it, and it does not only reshape."""
        return not (node.absorbed or (node.bottoms and node.layer.aliases(self.phase)))

    @cached_property
    def storage(self) -> tuple[int, ...]:
        """For every blob, the blob in whose memory it lies: itself, or one that it reshapes, overwrites or adds to."""
        owner = list(range(len(self.blobs)))
        for node in self.nodes:
            if node.onto is not None:
                owner[node.tops[0]] = owner[node.onto]
            elif node.in_place or not self.runs(node):
                for top in node.tops:
                    owner[top] = owner[node.bottoms[0]]
        return tuple(owner)

    def house(self, blob: int) -> int:
        """The blob whose memory holds a blob: its `storage`, or the wider blob around that storage."""
        storage = self.storage[blob]
        inside = self.blobs[storage].inside
        return storage if inside is None else inside[0]

    def dense(self, blob: int) -> bool:
        """Whether the values of a blob lie side by side, not inside a wider blob."""
        return self.house(blob) == self.storage[blob]

    @cached_property
    def unwritten(self) -> dict[int, Node]:
        """BatchNorms whose tops are not written, by the top's storage: readers look at the bottom instead."""
        return {self.storage[node.tops[0]]: node for node in self.nodes if "on_read" in node.fused}

    def running(self, storage: int) -> Iterator[Node]:
        """The layers that run and read the memory of a blob."""
        for blob in self.blobs:
            if self.storage[blob.index] == storage:
                yield from (one for one in (self.nodes[i] for i, _ in self.readers(blob.index)) if self.runs(one))

    def looking(self, norm: Node) -> Iterator[Node]:
        """The layers that run and read a BatchNorm's top."""
        return self.running(self.storage[norm.tops[0]])

    def data_house(self, blob: int) -> int:
        """The blob whose memory holds what readers of a blob look at."""
        norm = self.unwritten.get(self.storage[blob])
        return self.house(blob if norm is None else norm.bottoms[0])

    @cached_property
    def diff_storage(self) -> tuple[int, ...]:
        """For every blob, the blob in whose gradient's memory its own lies: its storage, or that of a layer's top."""
        owner = list(range(len(self.blobs)))
        for node in reversed(self.nodes):
            for slot in node.hands:
                owner[self.storage[node.bottoms[slot]]] = owner[self.storage[node.hands_to]]
        return tuple(owner[storage] for storage in self.storage)

    def diff_house(self, blob: int) -> int:
        """The blob whose gradient's memory holds that of a blob."""
        storage = self.diff_storage[blob]
        inside = self.blobs[storage].inside
        return storage if inside is None else inside[0]

    @cached_property
    def norms(self) -> dict[int, list[tuple[str, Node]]]:
        """For every layer, what it does for which BatchNorms but for reading: (moments, products or pulled, norm)."""
        found: dict[int, list[tuple[str, Node]]] = {}
        for norm in self.nodes:
            for word, fused in norm.fused.items():
                if fused.node >= 0:
                    found.setdefault(fused.node, []).append((word, norm))
        return found

    def served(self, node: Node) -> list[Node]:
        """The BatchNorms whose work a layer does, through whose eyes it reads, or whose moments it shares."""
        seen = (self.unwritten.get(self.storage[bottom]) for bottom in node.bottoms)
        found = [norm for norm in seen if norm is not None] + [norm for _, norm in self.norms.get(node.index, ())]
        found += [self.nodes[node.known]] if node.known is not None else []
        return list({norm.index: norm for norm in found}.values())

    @cached_property
    def remade(self) -> dict[int, Node]:
        """The layers whose tops are computed anew in backward, by the top's storage, in the order of forward."""
        return {self.storage[node.tops[0]]: node for node in self.nodes if node.again is not None}

    def remakes(self, node: Node) -> list[Node]:
        """The layers that are run again before a layer's backward, in the order of forward."""
        return [one for one in self.remade.values() if one.again == node.index]

    def maker(self, blob: int) -> Node:
        """The layer that runs and writes the memory of a blob, or of what it reshapes."""
        node = self.nodes[self.blobs[blob].producer]
        while not self.runs(node):
            node = self.hosts[node.index] if node.absorbed else self.nodes[self.blobs[node.bottoms[0]].producer]
        return node

    def placed(self, node: Node, slot: int) -> bool:
        """Whether a bottom of a Concat lies where that would copy it, and its diff likewise."""
        inside = self.blobs[self.storage[node.bottoms[slot]]].inside
        return isinstance(node.layer, Concat) and inside is not None and inside[0] == self.house(node.tops[0])

    def readers(self, blob: int) -> Sequence[tuple[int, int]]:
        """(layer, bottom slot) of every layer that reads a blob, in order."""
        return self._readers[blob]

    @cached_property
    def _readers(self) -> list[list[tuple[int, int]]]:
        result: list[list[tuple[int, int]]] = [[] for _ in self.blobs]
        for node in self.nodes:
            for slot, bottom in enumerate(node.bottoms):
                result[bottom].append((node.index, slot))
        return result
