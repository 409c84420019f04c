"""NetSpec and state to Graph: filter by phase, wire bottoms to tops, share params, decide which blobs need gradients.

Blobs are single-assignment inside: a layer that names its bottom as its top makes a new version of the blob. Source:
Caffe net.cpp (Init), insert_splits.cpp. A blob with several readers needs no Split here: the gradients are added.
"""

from __future__ import annotations

from dataclasses import replace

from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Mapping
from netspec.core.places import Place
from netspec.core.spelling import nearest, suggest
from netspec.core.verify import verifying
from netspec.language.expand import DuplicateNameError
from netspec.layers.base import Broken, Layer, ParamSpec
from netspec.net.gradients import decide_gradients
from netspec.net.graph import Gradients, Graph, GraphBlob, GraphParam, Node, State
from netspec.net.spec import NetSpec


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


class ParamNameError(SpecError):
    """A layer type gives its params names that are no words, or one name twice: nothing could tell them apart."""

    code = "NS309"


class EmptyNetError(SpecError):
    """No layer is left after filtering."""

    code = "NS306"


class RunTimeBatchError(SpecError):
    """A layer would mix the items of a blob whose number is known only when the net runs."""

    code = "NS315"


def wire(spec: NetSpec, state: State, found: Findings, gradients: Gradients = "loss") -> Graph:
    """The graph of a net in one state; mistakes go to `found`."""
    state = within(spec, state)
    wiring = _Wiring(spec, state, found)
    nodes, blobs = wiring.wire()
    if not nodes and not found:
        text = f"no layer of net '{spec.name}' takes part in phase {state.phase}"
        found.add(EmptyNetError(text, at=spec.place("layers")))
    params, nodes = _share(nodes, found)
    forced = gradients == "inputs" or spec.force_backward
    if gradients == "inputs":
        params = tuple(replace(param, forced=True) for param in params)
    net = decide_gradients(Graph(spec.name, state, nodes, blobs, params), found, gradients, forced)
    _check_counted(net, found)
    if verifying() and not found and net.sound:
        from netspec.net.verify import verify_graph

        verify_graph(net, gradients, forced)
    return net


def within(spec: NetSpec, state: State) -> State:
    """A state with the stages that a net always sets."""
    return replace(state, stages=tuple(dict.fromkeys((*state.stages, *spec.state.stage))))


def _check_counted(net: Graph, found: Findings) -> None:
    """Refuse what would read the items behind those that a Filter keeps: layers that mix items, and types of loss."""
    for node in net.nodes:
        read = [net.counted.get(bottom) for bottom in node.bottoms]
        for slot, maker in enumerate(read):
            alone = node.layer.alone and read == [maker] * len(read)
            if maker is not None and not alone and node.tops:
                name, counter = net.blobs[node.bottoms[slot]].name, net.nodes[maker].layer
                text = (
                    f"layer '{node.layer.name}' ({node.layer.type}) reads '{name}', of which only the run of the net "
                )
                text += f"says how many items layer '{counter.name}' ({counter.type}) keeps"
                help = "layers that compute each item by itself may read it; to leave samples out of a loss, mark them "
                found.add(RunTimeBatchError(text, at=node.layer.place("bottom", slot), help=f"{help}by `ignore_label`"))


def check_left_out(spec: NetSpec, state: State, found: Findings) -> None:
    """Check the layers that take part in neither phase of a state: a bottom that no layer produces is a mistake."""
    states = [replace(within(spec, state), phase="TRAIN"), replace(within(spec, state), phase="TEST")]
    made: set[str] = set()
    for layer in spec.layers:
        if not any(one.keeps(layer) for one in states):
            for slot, name in enumerate(layer.bottom or ()):
                if name not in made:
                    text = f"layer '{layer.name}' reads blob '{name}', which nothing above it produces in any state"
                    at, help = layer.place("bottom", slot), suggest(name, made) or _BEGIN
                    found.add(UnknownBlobError(text, at=at, help=help))
        made.update(layer.top_names())


class _Wiring:
    """Follows the layers in file order and remembers which layer holds the latest version of each blob."""

    def __init__(self, spec: NetSpec, state: State, found: Findings) -> None:
        self.spec, self.state, self.found = spec, state, found
        self.blobs: list[GraphBlob] = []
        self.current: dict[str, int] = {}
        self.blind = any(isinstance(layer, Broken) and not layer.name for layer in spec.layers)
        self.makers: dict[tuple[str, bool], Layer] = {}
        """The first layer that produces a blob, by (the blob's name, whether the layer takes part)."""
        for layer in spec.layers:
            for top in layer.top_names():
                self.makers.setdefault((top, state.keeps(layer)), layer)
        self.kept: list[Layer] = []

    def wire(self) -> tuple[tuple[Node, ...], tuple[GraphBlob, ...]]:
        nodes: list[Node] = []
        above: str | None = None
        named: dict[str, Layer] = {}
        for layer in self.spec.layers:
            names = layer.bottom if layer.bottom is not None else self.default_bottom(layer, above)
            above = next(iter(layer.top_names()), above)
            node = Node(len(nodes), layer, (), (), ())
            if layer.include is not None and layer.exclude is not None:
                text = f"layer '{layer.name}' says both `include` and `exclude`"
                at = node.layer.place("exclude", key=True)
                self.found.add(FieldCountError(text, at=at, help="one of them says it all"))
            if self.state.keeps(layer):
                self.alone(layer, named)
                self.kept.append(layer)
                nodes.append(self.connect(node, names))
        return tuple(nodes), tuple(self.blobs)

    def alone(self, layer: Layer, named: dict[str, Layer]) -> None:
        """Add a layer to those by name; report a second one. Nobody knows the rules of a broken layer that has some."""
        rules = layer.written.items.keys() & {"include", "exclude"} if isinstance(layer.written, Mapping) else ()
        if not layer.name or (isinstance(layer, Broken) and rules):
            return
        first = named.setdefault(layer.name, layer)
        if first is not layer:
            text, before = f"a second layer is called '{layer.name}'", first.place("name")
            related = [("the first one:", before)] if before is not None else []
            self.found.add(DuplicateNameError(text, at=layer.place("name"), related=related))

    def default_bottom(self, layer: Layer, above: str | None) -> tuple[str, ...]:
        return (above,) if above is not None and layer.bottoms.most != 0 else ()

    def connect(self, node: Node, names: tuple[str, ...]) -> Node:
        layer = node.layer
        for word, names_, arity in (("bottom", names, layer.bottoms), ("top", layer.top_names(), layer.tops)):
            if not arity.holds(len(names_)):
                at = node.layer.place(word) if getattr(layer, word) is not None else node.layer.place()
                text = f"layer '{layer.name}' ({layer.type}) takes {arity.of(word)}, not {len(names_)}"
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
            self.found.add(self.unknown(node, name, node.layer.place("bottom", slot)))
        return None

    def unknown(self, node: Node, name: str, at: Place | None) -> UnknownBlobError:
        """The error for a bottom that no layer above produces, with the likely reason."""
        layer = node.layer
        what = f"layer '{layer.name}' reads blob '{name}', which nothing above it produces"
        kept, dropped = (self.makers.get((name, keeps)) for keeps in (True, False))
        if kept is layer:
            near = self.near(name, layer)
            return UnknownBlobError(f"layer '{layer.name}' reads its own top '{name}'", at=at, help=near or _BEGIN)
        if kept is not None and (at_kept := kept.place()) is not None:
            related = [(f"'{name}' is produced only further down, by layer '{kept.name}':", at_kept)]
            help = f"move layer '{kept.name}' above layer '{layer.name}'"
            return UnknownBlobError(what, at=at, help=help, related=related)
        if dropped is not None and (at_dropped := dropped.place()) is not None:
            reason = f"layer '{dropped.name}' produces it, but takes no part in phase {self.state.phase}:"
            help = "give this layer the same include or exclude rules"
            return UnknownBlobError(what, at=at, help=help, related=[(reason, at_dropped)])
        if self.found.enough:
            return UnknownBlobError(what, at=at)
        named = next((x for x in self.spec.layers if x.name == name and x.top), None)
        writes = f"layer '{name}' writes {' and '.join(f'{top!r}' for top in named.top or ())}" if named else None
        return UnknownBlobError(what, at=at, help=writes or self.near(name, layer) or _BEGIN)

    def near(self, name: str, layer: Layer) -> str | None:
        """A help line with the blob that was probably meant: from the layer's own block, else from elsewhere.

        Instances of other blocks are suggested by their short names.
        """
        block = layer.name[: layer.name.rfind("/") + 1]
        inner = {blob.removeprefix(block).partition("/")[0] for blob in self.current if blob.startswith(block)} - {name}
        if block and nearest(name, inner):
            return suggest(name, inner)
        deep = next((blob for blob in self.current if blob.endswith(f"/{name}")), None)
        if deep:
            return f"did you mean '{deep}'?"
        top = block.partition("/")[0] + "/"
        outer = {blob.partition("/")[0] for blob in self.current if not blob.startswith(top)} - {name}
        return suggest(name, outer | inner | ({*self.current} if "/" in name else set()))

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
        blob = GraphBlob(len(self.blobs), name, version, node.index, slot, weight)
        self.blobs.append(blob)
        self.current[name] = blob.index
        return blob.index

    def duplicate(self, node: Node, name: str, slot: int, before: GraphBlob) -> None:
        maker = self.kept[before.producer]
        at = node.layer.place("top", slot)
        if before.producer == node.index and not isinstance(node.layer, Broken):
            text = f"layer '{node.layer.name}' has two tops called '{name}'"
            self.found.add(DuplicateTopError(text, at=at, help="name one of them otherwise"))
            return
        if isinstance(node.layer, Broken) or isinstance(maker, Broken) or maker.name == node.layer.name:
            return
        related = [("it is produced here:", place)] if (place := maker.place()) else []
        text = f"layer '{node.layer.name}' writes blob '{name}', which layer '{maker.name}' already produces"
        help = f"name another `top`, or make '{name}' the bottom too, to work in place"
        self.found.add(DuplicateTopError(text, at=at, help=help, related=related))

    def lengths(self, node: Node, bottoms: tuple[int, ...], tops: tuple[int, ...]) -> None:
        layer = node.layer
        pairs = (
            ("loss_weight", layer.loss_weight, len(tops), "top"),
            ("propagate_down", layer.propagate_down, len(bottoms), "bottom"),
        )
        for field, values, wanted, thing in pairs:
            if values is not None and len(values) != wanted and not isinstance(layer, Broken):
                given = f"{len(values)} value{'s' * (len(values) != 1)}"
                text = f"layer '{layer.name}' has {wanted} {thing}{'s' * (wanted != 1)}, but `{field}` has {given}"
                self.found.add(FieldCountError(text, at=node.layer.place(field)))


_BEGIN = "nothing is produced above it: begin with a layer like {name: data, type: Input, shape: [64, 1, 28, 28]}"


def _bottom_help(word: str, layer: Layer) -> str | None:
    if word == "bottom" and layer.is_loss and layer.bottoms.least == 2:
        return "like `bottom: [ip2, label]`: the scores and the labels"
    return None


def _share(nodes: tuple[Node, ...], found: Findings) -> tuple[tuple[GraphParam, ...], tuple[Node, ...]]:
    """Number the param blobs; layers that give a param the same name share it."""
    params: list[GraphParam] = []
    owners: dict[str, int] = {}
    said: dict[tuple[int, str], str] = {}
    result: list[Node] = []
    for node in nodes:
        own = node.layer.params() if not isinstance(node.layer, Broken) else ()
        specs = node.layer.param
        if len(specs) > len(own) and not isinstance(node.layer, Broken):
            has = f"{len(own)} param{'s' * (len(own) != 1)}" if own else "no params"
            text = f"layer '{node.layer.name}' ({node.layer.type}) has {has}, but `param` describes {len(specs)}"
            found.add(FieldCountError(text, at=node.layer.place("param", len(own))))
        names = [param.name for param in own]
        if len(set(names)) != len(names) or not all(map(str.isidentifier, names)):
            text = f"layer type {node.layer.type} calls its params {', '.join(map(repr, names))}"
            found.add(
                ParamNameError(text, at=node.layer.place("type"), help="each needs a name of its own, like weight")
            )
        indices: list[int] = []
        for slot, param in enumerate(own):
            given = specs[slot] if slot < len(specs) else ParamSpec()
            if given.name is not None and given.name in owners:
                index = owners[given.name]
                params[index] = _join(params[index], node, slot, said, found)
            else:
                index = len(params)
                learned_lr = 1.0 if given.lr_mult is None else given.lr_mult
                decay = 1.0 if given.decay_mult is None else given.decay_mult
                name = f"{node.layer.name}.{param.name}"
                users, permissive = ((node.index, slot),), given.share_mode == "PERMISSIVE"
                params.append(GraphParam(index, name, param, users, learned_lr, decay, permissive))
                said |= {(index, field): node.layer.name for field in _MULTS if getattr(given, field) is not None}
                if given.name is not None:
                    owners[given.name] = index
            indices.append(index)
        result.append(replace(node, params=tuple(indices)))
    return tuple(params), tuple(result)


_MULTS = ("lr_mult", "decay_mult")


def _join(owner: GraphParam, node: Node, slot: int, said: dict[tuple[int, str], str], found: Findings) -> GraphParam:
    """A param with one more user. The first user that says a factor sets it, and all that say it must agree.

    `said` has the names of those first users, by (param, field). Source: Caffe net.cpp (AppendParam).
    """
    given, mults = node.layer.param[slot], {field: getattr(owner, field) for field in _MULTS}
    for field in _MULTS:
        mine, first = getattr(given, field), said.get((owner.index, field))
        if mine is not None and first is None:
            mults[field], said[owner.index, field] = mine, node.layer.name
        elif mine is not None and mine != mults[field]:
            shares = f"layer '{node.layer.name}' shares param '{given.name}' with {field} {mine:g}"
            at, help = node.layer.place("param", slot, field), "give it once, where the param is first named"
            found.add(SharingError(f"{shares}, but layer '{first}' says {mults[field]:g}", at=at, help=help))
    permissive = owner.permissive or given.share_mode == "PERMISSIVE"
    return replace(owner, users=(*owner.users, (node.index, slot)), permissive=permissive, **mults)
