"""NetSpec and state to Graph: filter by phase, wire bottoms to tops, share params, decide which blobs need gradients.

Blobs are single-assignment inside: a layer that names its bottom as its top makes a new version of the blob, and memory is the
plan's business. Source: Caffe net.cpp (Init), insert_splits.cpp; several readers of a blob need no Split here, their gradients are added.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from netspec.diagnostics import Findings, Place, SpecError, nearest, suggest
from netspec.document import locate
from netspec.layers.base import Broken, Layer, Param, ParamSpec, Phase, StateRule
from netspec.schema import NetSpec


class ArityError(SpecError):
    """A layer reads or writes another number of blobs than its type allows."""

    code = "NS301"


class UnknownBlobError(SpecError):
    """A bottom names a blob that no earlier layer produces."""

    code = "NS302"


class DuplicateTopError(SpecError):
    """Two layers produce the same blob."""

    code = "NS303"


class FieldCountError(SpecError):
    """A per-bottom, per-top or per-param list has the wrong length, or include and exclude stand together."""

    code = "NS304"


class SharingError(SpecError):
    """Layers that share a param disagree about it."""

    code = "NS305"


class EmptyNetError(SpecError):
    """No layer is left after filtering."""

    code = "NS306"


class NoGradientError(SpecError):
    """A gradient would have to flow into labels or through a metric."""

    code = "NS307"


Gradients = Literal["none", "loss", "any", "inputs"]
"""Where backward may start and what it reaches: nowhere; from losses down to learned params; from any top; to the inputs too."""


@dataclass(frozen=True)
class State:
    """What include and exclude rules see."""

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
        """Whether a layer takes part: any include rule, and no exclude rule, is met."""
        if layer.include is not None:
            return any(self.meets(rule) for rule in layer.include)
        return not any(self.meets(rule) for rule in layer.exclude or ())


@dataclass(frozen=True)
class Blob:
    """One version of a named blob: what `producer`'s top number `slot` writes.

    `loss_weight` is its share in the loss, `needs_diff` whether a gradient is computed. What the rewrites say: how it lies in memory
    (`layout`), which blob it only holds in another layout (`copy_of`), which wider blob it lies in, from which channel on (`inside`).
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

    @property
    def label(self) -> str:
        """The name, with its version where there are several, and its layout where it is a copy."""
        label = self.name if self.version == 0 else f"{self.name}#{self.version}"
        return label if self.copy_of is None else f"{label} {self.layout}"


@dataclass(frozen=True)
class Node:
    """A layer in the graph, its blobs and params by index.

    `propagate[i]` says whether backward writes the gradient of bottom i; `backward` whether it runs at all. The rewrites say: how its
    blobs of four axes lie (`layout`); whether it rectifies its top (`relu`); which Scale it computes along (`scale`, a layer's index);
    whether another layer computes it (`absorbed`); whether its top lies in its bottom's memory though it runs (`in_place`); whether it
    adds to a gradient that others wrote (`adds`); whether it overwrites the gradient of param i, which is then not cleared (`stores`).
    """

    index: int
    layer: Layer
    bottoms: tuple[int, ...]
    tops: tuple[int, ...]
    params: tuple[int, ...]
    propagate: tuple[bool, ...] = ()
    backward: bool = False
    layout: str = "NCHW"
    relu: bool = False
    scale: int | None = None
    absorbed: bool = False
    in_place: bool = False
    adds: bool = False
    stores: tuple[bool, ...] = ()

    @property
    def reads(self) -> frozenset[str]:
        """Which data its backward looks at, 'bottom', 'top': with a Scale its bottom, and a top that it rectified."""
        own = self.layer.backward_reads if self.scale is None else frozenset({"bottom"})
        if self.absorbed or not self.backward:
            return frozenset()
        return own | {"top"} if self.relu else own

    def place(self, *path: str | int, key: bool = False) -> Place | None:
        """Where a field of the layer was written, or the layer's name."""
        node = self.layer._node
        if node is None:
            return None
        if path and path[0] in node.items:
            return locate(node, *path, key=key)
        return locate(node, "name")


@dataclass(frozen=True)
class GraphParam:
    """A param blob of the net, owned by the first layer that has it; `users` are (layer, slot) in order."""

    index: int
    name: str
    param: Param
    users: tuple[tuple[int, int], ...]
    lr_mult: float
    decay_mult: float
    permissive: bool = False

    @property
    def learned(self) -> bool:
        """Whether the solver changes it."""
        return self.param.learned and self.lr_mult != 0


@dataclass(frozen=True)
class Graph:
    """The wired layers of one phase."""

    name: str
    state: State
    nodes: tuple[Node, ...]
    blobs: tuple[Blob, ...]
    params: tuple[GraphParam, ...]
    spec: NetSpec

    @property
    def phase(self) -> Phase:
        """TRAIN or TEST."""
        return self.state.phase

    @cached_property
    def inputs(self) -> tuple[int, ...]:
        """Blobs that Input layers hold, in order: what a feed fills."""
        return tuple(top for node in self.nodes if node.layer.type == "Input" for top in node.tops)

    @cached_property
    def outputs(self) -> tuple[int, ...]:
        """Blobs that no layer reads, in the order they are produced."""
        fed = set(self.inputs)
        return tuple(blob.index for blob in self.blobs if not self._readers[blob.index] and blob.index not in fed)

    @cached_property
    def losses(self) -> tuple[int, ...]:
        """Blobs with a loss weight."""
        return tuple(blob.index for blob in self.blobs if blob.loss_weight)

    @cached_property
    def written(self) -> tuple[Node, ...]:
        """The layers of the spec, without the conversions that a rewrite put between them."""
        return tuple(node for node in self.nodes if all(self.blobs[top].copy_of is None for top in node.tops))

    @cached_property
    def named(self) -> dict[str, Blob]:
        """The last version of every named blob, in the order they are first produced."""
        return {blob.name: blob for blob in self.blobs if blob.copy_of is None}

    def latest(self, name: str) -> Blob:
        """The last version of a named blob. Raises KeyError."""
        return self.named[name]

    def original(self, blob: int) -> int:
        """The blob itself, or the one whose values it holds in another layout."""
        source = self.blobs[blob].copy_of
        return blob if source is None else source

    def runs(self, node: Node) -> bool:
        """Whether a layer has steps of its own: it is not computed along with another, nor only gives its bottom another shape."""
        return not (node.absorbed or (node.bottoms and node.layer.aliases(self.phase)))

    @cached_property
    def storage(self) -> tuple[int, ...]:
        """For every blob, the blob whose memory it lies in: itself, or the one that it reshapes or takes the place of."""
        owner = list(range(len(self.blobs)))
        for node in self.nodes:
            if node.in_place or not self.runs(node):
                for top in node.tops:
                    owner[top] = owner[node.bottoms[0]]
        return tuple(owner)

    def house(self, blob: int) -> int:
        """The blob whose memory holds a blob: `storage`, or the wider blob that this lies inside of."""
        storage = self.storage[blob]
        inside = self.blobs[storage].inside
        return storage if inside is None else inside[0]

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


def graph(spec: NetSpec, state: State, found: Findings, gradients: Gradients = "loss") -> Graph:
    """The net of one state; what is wrong goes to `found`."""
    wiring = _Wiring(spec, state, found)
    nodes, blobs = wiring.wire()
    if not nodes and not found:
        found.add(EmptyNetError(f"no layer of net '{spec.name}' takes part in phase {state.phase}", at=spec.document.locate("layers")))
    params, nodes = _share(nodes, found)
    return _gradients(Graph(spec.name, state, nodes, blobs, params, spec), found, gradients)


class _Wiring:
    """Follows the layers in file order and remembers which layer holds the latest version of each blob."""

    def __init__(self, spec: NetSpec, state: State, found: Findings) -> None:
        self.spec, self.state, self.found = spec, state, found
        self.blobs: list[Blob] = []
        self.current: dict[str, int] = {}
        self.blind = any(isinstance(layer, Broken) and layer.name.startswith("#") for layer in spec.layers)
        self.makers: dict[tuple[str, bool], Layer] = {}
        """The first layer that produces a blob, by the blob's name and whether the layer takes part."""
        for layer in spec.layers:
            for top in layer.top_names():
                self.makers.setdefault((top, state.keeps(layer)), layer)
        self.kept: list[Layer] = []

    def wire(self) -> tuple[tuple[Node, ...], tuple[Blob, ...]]:
        nodes: list[Node] = []
        above: str | None = None
        for layer in self.spec.layers:
            names = layer.bottom if layer.bottom is not None else self.default_bottom(layer, above)
            above = next(iter(layer.top_names()), above)
            node = Node(len(nodes), layer, (), (), ())
            if layer.include is not None and layer.exclude is not None:
                at = node.place("exclude", key=True)
                help = "one of them says it all"
                self.found.add(FieldCountError(f"layer '{layer.name}' says both `include` and `exclude`", at=at, help=help))
            if self.state.keeps(layer):
                self.kept.append(layer)
                nodes.append(self.connect(node, names))
        return tuple(nodes), tuple(self.blobs)

    def default_bottom(self, layer: Layer, above: str | None) -> tuple[str, ...]:
        return (above,) if above is not None and layer.bottoms.most != 0 else ()

    def connect(self, node: Node, names: tuple[str, ...]) -> Node:
        layer = node.layer
        for word, names_, arity in (("bottom", names, layer.bottoms), ("top", layer.top_names(), layer.tops)):
            if not arity.holds(len(names_)):
                at = node.place(word) if getattr(layer, word) is not None else node.place()
                text = f"layer '{layer.name}' ({layer.type}) takes {arity} {word}{'s' * (str(arity) != '1')}, not {len(names_)}"
                help = _BEGIN if word == "bottom" and not names_ and not self.current else _bottom_help(word, layer)
                self.found.add(ArityError(text, at=at, help=help))
        bottoms = tuple(b for b in (self.bottom(node, name, slot) for slot, name in enumerate(names)) if b is not None)
        tops = tuple(self.top(node, name, slot, names) for slot, name in enumerate(layer.top_names()))
        self.lengths(node, bottoms, tops)
        return replace(node, bottoms=bottoms if len(bottoms) == len(names) else (), tops=tops)

    def bottom(self, node: Node, name: str, slot: int) -> int | None:
        if name in self.current:
            return self.current[name]
        if not self.blind:
            self.found.add(self.unknown(node, name, node.place("bottom", slot)))
        return None

    def unknown(self, node: Node, name: str, at: Place | None) -> UnknownBlobError:
        """The error of a bottom that nothing above the layer produces, and why it does not."""
        layer = node.layer
        what = f"layer '{layer.name}' reads blob '{name}', which nothing above it produces"
        kept, dropped = (self.makers.get((name, keeps)) for keeps in (True, False))
        if kept is layer:
            near = self.near(name, layer)
            return UnknownBlobError(f"layer '{layer.name}' reads its own top '{name}'", at=at, help=near or _BEGIN)
        if kept is not None and kept._node is not None:
            related = [(f"'{name}' is produced only further down, by layer '{kept.name}':", locate(kept._node, "name"))]
            return UnknownBlobError(what, at=at, help=f"move layer '{kept.name}' above layer '{layer.name}'", related=related)
        if dropped is not None and dropped._node is not None:
            reason = f"layer '{dropped.name}' produces it, but takes no part in phase {self.state.phase}:"
            related = [(reason, locate(dropped._node, "name"))]
            return UnknownBlobError(what, at=at, help="give this layer the same include or exclude rules", related=related)
        if self.found.enough:
            return UnknownBlobError(what, at=at)
        named = next((x for x in self.spec.layers if x.name == name and x.top), None)
        writes = f"layer '{name}' writes {' and '.join(f'{top!r}' for top in named.top or ())}" if named else None
        help = writes or self.near(name, layer)
        return UnknownBlobError(what, at=at, help=help or _BEGIN)

    def near(self, name: str, layer: Layer) -> str | None:
        """A help line with the blob that was meant: one of the layer's own block, else another, instances by their short names."""
        block = layer.name[: layer.name.rfind("/") + 1]
        inner = {one.removeprefix(block).partition("/")[0] for one in self.current if one.startswith(block)} - {name}
        outer = {one.partition("/")[0] for one in self.current if not one.startswith(block.partition("/")[0] + "/")} - {name}
        if block and nearest(name, inner):
            return suggest(name, inner)
        deep = next((one for one in self.current if one.endswith(f"/{name}")), None)
        return f"did you mean '{deep}'?" if deep else suggest(name, outer | inner | ({*self.current} if "/" in name else set()))

    def top(self, node: Node, name: str, slot: int, bottoms: tuple[str, ...]) -> int:
        version = 0
        if name in self.current:
            before = self.blobs[self.current[name]]
            version = before.version + 1
            if slot >= len(bottoms) or bottoms[slot] != name:
                self.duplicate(node, name, slot, before)
        weights = node.layer.loss_weight
        if weights is not None:
            weight = weights[slot] if slot < len(weights) else 0.0
        else:
            weight = 1.0 if node.layer.is_loss and slot == 0 else 0.0
        blob = Blob(len(self.blobs), name, version, node.index, slot, weight)
        self.blobs.append(blob)
        self.current[name] = blob.index
        return blob.index

    def duplicate(self, node: Node, name: str, slot: int, before: Blob) -> None:
        maker = self.kept[before.producer]
        at = node.place("top", slot)
        if isinstance(node.layer, Broken) or isinstance(maker, Broken) or maker.name == node.layer.name:
            return
        related = [("it is produced here:", locate(maker._node, "name"))] if maker._node else []
        text = f"layer '{node.layer.name}' writes blob '{name}', which layer '{maker.name}' already produces"
        self.found.add(
            DuplicateTopError(
                text, at=at, help="name another `top`, or make '" + name + "' the bottom too, to work in place", related=related
            )
        )

    def lengths(self, node: Node, bottoms: tuple[int, ...], tops: tuple[int, ...]) -> None:
        layer = node.layer
        pairs = (("loss_weight", layer.loss_weight, len(tops), "top"), ("propagate_down", layer.propagate_down, len(bottoms), "bottom"))
        for field, values, wanted, thing in pairs:
            if values is not None and len(values) != wanted and not isinstance(layer, Broken):
                given = f"{len(values)} value{'s' * (len(values) != 1)}"
                text = f"layer '{layer.name}' has {wanted} {thing}{'s' * (wanted != 1)}, but `{field}` has {given}"
                self.found.add(FieldCountError(text, at=node.place(field)))


_BEGIN = "nothing is produced above it: begin with a layer like {name: data, type: Input, shape: [64, 1, 28, 28]}"


def _bottom_help(word: str, layer: Layer) -> str | None:
    if word == "bottom" and layer.is_loss:
        return "like `bottom: [ip2, label]`: the scores and the labels"
    return None


def _share(nodes: tuple[Node, ...], found: Findings) -> tuple[tuple[GraphParam, ...], tuple[Node, ...]]:
    """Number the param blobs; layers whose params bear the same name share one."""
    params: list[GraphParam] = []
    owners: dict[str, int] = {}
    result: list[Node] = []
    for node in nodes:
        own = node.layer.params() if not isinstance(node.layer, Broken) else ()
        specs = node.layer.param
        if len(specs) > len(own) and not isinstance(node.layer, Broken):
            has = f"{len(own)} param{'s' * (len(own) != 1)}" if own else "no params"
            text = f"layer '{node.layer.name}' ({node.layer.type}) has {has}, but `param` describes {len(specs)}"
            found.add(FieldCountError(text, at=node.place("param", len(own))))
        indices: list[int] = []
        for slot, param in enumerate(own):
            given = specs[slot] if slot < len(specs) else ParamSpec()
            if given.name is not None and given.name in owners:
                index = owners[given.name]
                params[index] = _join(params[index], node, slot, given, found)
            else:
                index = len(params)
                learned_lr = 1.0 if given.lr_mult is None else given.lr_mult
                decay = 1.0 if given.decay_mult is None else given.decay_mult
                name = f"{node.layer.name}.{param.name}"
                params.append(GraphParam(index, name, param, ((node.index, slot),), learned_lr, decay, given.share_mode == "PERMISSIVE"))
                if given.name is not None:
                    owners[given.name] = index
            indices.append(index)
        result.append(replace(node, params=tuple(indices)))
    return tuple(params), tuple(result)


def _join(owner: GraphParam, node: Node, slot: int, given: ParamSpec, found: Findings) -> GraphParam:
    for field, mine in (("lr_mult", owner.lr_mult), ("decay_mult", owner.decay_mult)):
        other = getattr(given, field)
        if other is not None and other != mine:
            text = f"layer '{node.layer.name}' shares param '{given.name}' with {field} {other:g}, but its owner says {mine:g}"
            found.add(SharingError(text, at=node.place("param", slot, field), help="give it once, where the param is first named"))
    permissive = owner.permissive or given.share_mode == "PERMISSIVE"
    return replace(owner, users=(*owner.users, (node.index, slot)), permissive=permissive)


def _gradients(net: Graph, found: Findings, gradients: Gradients) -> Graph:
    """Which bottoms get a gradient: forward from learned params, then only what lies under a loss. Source: Caffe net.cpp."""
    if gradients == "none":
        return replace(net, nodes=tuple(replace(n, propagate=(False,) * len(n.bottoms)) for n in net.nodes))
    force, any_top = gradients == "inputs" or net.spec.force_backward, gradients == "any"
    wanted: dict[int, bool] = {}
    propagate: dict[int, tuple[bool, ...]] = {}
    for node in net.nodes:
        flags = []
        for slot, bottom in enumerate(node.bottoms):
            flag = wanted.get(bottom, False)
            asked = node.layer.propagate_down
            if asked is not None and slot < len(asked):
                flag = flag and asked[slot]
            if force:
                flag = node.layer.differentiable
            flags.append(flag and not (force and slot in node.layer.no_diff))
        learns = any(net.params[p].learned for p in node.params)
        propagate[node.index] = tuple(flags)
        for top in node.tops:
            wanted[top] = learns or any(flags) or (force and node.layer.differentiable)
    under: dict[int, bool] = {blob.index: bool(blob.loss_weight) for blob in net.blobs}
    nodes = list(net.nodes)
    for node in reversed(net.nodes):
        learns = any(net.params[p].learned for p in node.params)
        runs = (any(under[top] for top in node.tops) or force or any_top) and (learns or any(propagate[node.index]))
        runs = runs and (node.layer.differentiable or any(under[top] for top in node.tops))
        flags = list(propagate[node.index]) if runs else [False] * len(node.bottoms)
        for slot in node.layer.no_diff:
            if runs and slot < len(flags) and flags[slot]:
                label = net.blobs[node.bottoms[slot]].label
                text = f"layer '{node.layer.name}' ({node.layer.type}) cannot pass a gradient to its bottom '{label}'"
                found.add(
                    NoGradientError(
                        text, at=node.place("bottom", slot), help="labels must not depend on learned params; set propagate_down"
                    )
                )
        if runs and not node.layer.differentiable:
            found.add(
                NoGradientError(
                    f"layer '{node.layer.name}' ({node.layer.type}) has no gradient", at=node.place(), help="set its loss_weight to 0"
                )
            )
        for slot, bottom in enumerate(node.bottoms):
            under[bottom] = under[bottom] or flags[slot]
        nodes[node.index] = replace(node, propagate=tuple(flags), backward=runs)
    needs = {b for node in nodes for slot, b in enumerate(node.bottoms) if node.propagate[slot]}
    needs |= {top for node in nodes if node.backward for top in node.tops}
    blobs = tuple(replace(blob, needs_diff=blob.index in needs) for blob in net.blobs)
    return replace(net, nodes=tuple(nodes), blobs=blobs)


def digest(net: Graph) -> str:
    """Names what a graph computes: its layers with all their fields, wired by blobs; not its fillers' values or its comments."""
    rows = []
    for node in net.nodes:
        fields = node.layer.model_dump(exclude={"bottom", "top", "include", "exclude", "param", "loss_weight", "propagate_down"})
        kept = {key: value for key, value in fields.items() if not key.endswith("filler")}
        params = [(net.params[p].name, net.params[p].lr_mult, net.params[p].decay_mult) for p in node.params]
        tops = [(net.blobs[t].label, net.blobs[t].loss_weight) for t in node.tops]
        rows.append([node.layer.type, kept, [net.blobs[b].label for b in node.bottoms], tops, params, node.propagate])
    return hashlib.sha256(json.dumps(rows, sort_keys=True, default=list).encode()).hexdigest()[:32]
