"""A net of Caffe, upgraded to the words of its last version, in netspec's words.

The net computes what Caffe computes: where netspec departs on purpose, a field says that Caffe's way is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Mapping, Node, Note, Scalar, Sequence
from netspec.core.spelling import suggest
from netspec.layers.base import LAYERS
from netspec.prototxt.absent import ABSENT
from netspec.prototxt.draft import Draft, Notes, escaped, items, node
from netspec.prototxt.fields import AUTOMATIC, FORK_MESSAGES, MESSAGES, PLAIN_TYPES
from netspec.prototxt.forks import FORKS
from netspec.prototxt.layer import Given, layer_class, rule
from netspec.prototxt.paths import with_paths
from netspec.prototxt.samples import with_samples
from netspec.prototxt.types import TYPES


class NoLayerTypeError(SpecError):
    """A net of Caffe has a layer of a type that netspec does not have."""

    code = "NS710"


def net_root(net: Mapping, lenient: bool = False) -> tuple[Mapping, tuple[Note, ...]]:
    """The root of a net's document, and notes of what was left out or assumed.

    When `lenient`, layers of types that netspec does not have are kept as they stand. Raises NoLayerTypeError.
    """
    notes, draft, found = Notes(), Draft(net.at), Findings()
    for key in ("name", "force_backward"):
        if key in net.items and net.value(key) not in ("", None):
            draft.put(key, net.items[key], net.keys[key])
    if "state" in net.items:
        _state(net, draft, notes)
    if net.value("debug_info"):
        notes.left_out("debug_info", "the solver has it, for all layers", net.keys["debug_info"])
    layers: list[Mapping] = []
    for given in items(net.items.get("layer")):
        if isinstance(given, Mapping):
            if not lenient:
                _check_type(given, found)
            layers += _layers(given, notes)
    found.raise_if_any()
    layers = [_located(layer, notes) for layer in _named(layers, notes)]
    if any(layer.value("type") == "BatchNorm" for layer in layers):
        at = next(layer.keys["type"] for layer in layers if layer.value("type") == "BatchNorm")
        draft.put("defaults", {"BatchNorm": {"running_sums": "PLAIN"}}, at)
    at = net.keys.get("layer", net.at)
    draft.put("layers", Sequence(tuple(layers), at), at)
    root = escaped(draft.mapping())
    assert isinstance(root, Mapping)
    return root, notes.all()


def _state(net: Mapping, draft: Draft, notes: Notes) -> None:
    """Stages and level of the net; its phase is asked for by whoever uses it."""
    state = net.items["state"]
    if not isinstance(state, Mapping):
        return
    if "phase" in state.items:
        notes.left_out("phase", "the phase is that in which the net is used", state.keys["phase"])
    kept = state.without("phase")
    if kept.items:
        draft.put("state", rule(kept), net.keys["state"])


def _layers(given: Mapping, notes: Notes) -> Iterator[Mapping]:
    """The layers that a layer of Caffe becomes: nearly always one."""
    word = given.value("type")
    layer = Given(given, notes, word if isinstance(word, str) else "", Draft(given.at))
    layer.wire()
    found = None
    if layer.type in TYPES:
        TYPES[layer.type](layer)
    elif layer.type in FORKS:
        found = FORKS[layer.type](layer)
    elif layer.cls is not None and layer.type not in ABSENT:
        layer.fields()
        if layer.type not in {*MESSAGES, *FORK_MESSAGES, *PLAIN_TYPES}:
            text = f"Caffe has no layer type '{layer.type}': read as netspec's layer of that name"
            notes.add(text, given.keys["type"])
    else:
        yield _kept(layer)
        return
    layer.rest()
    if "phase" in given.items and layer.type not in ("BatchNorm", "Dropout"):
        notes.left_out("phase", "it says nothing of when the layer takes part", given.keys["phase"])
    yield from found or [layer.draft.mapping()]


def _check_type(given: Mapping, found: Findings) -> None:
    """Find a type that netspec does not have."""
    word = given.value("type")
    if isinstance(word, str) and word not in FORKS and (word in ABSENT or layer_class(word) is None):
        text = f"layer '{given.value('name') or ''}' is of type '{word}', which netspec does not have"
        help = ABSENT.get(word) or suggest(word, LAYERS.words())
        found.add(NoLayerTypeError(text, at=given.items["type"].at, help=help))


def _kept(layer: Given) -> Mapping:
    """A layer of a type that netspec does not have, as it stands."""
    for name, value in layer.node.items.items():
        if name not in layer.draft.items:
            layer.draft.put(name, value, layer.node.keys[name])
    text = f"netspec has no layer type '{layer.type}': its layers are kept as they stand"
    layer.notes.add(text, layer.node.keys.get("type", layer.node.at))
    return layer.draft.mapping()


def _located(layer: Mapping, notes: Notes) -> Mapping:
    """A layer whose paths start from the folder of its file; with the shape of its samples where they are not there."""
    cls = layer_class(str(layer.value("type")))
    if cls is None:
        return layer
    layer, found = with_paths(layer, cls)
    layer, told = with_samples(layer)
    for note in (*found, *told):
        notes.add(note.text, note.at)
    return layer


def _named(layers: list[Mapping], notes: Notes) -> list[Mapping]:
    """The layers, each with a name of its own among those that may take part with it."""
    blobs = {name for layer in layers for key in ("bottom", "top") for name in _words(layer.items.get(key))}
    used: dict[str, list[set[str]]] = {}
    found = []
    for number, layer in enumerate(layers):
        at = layer.keys.get("name", layer.at)
        name = layer.value("name")
        own = name if isinstance(name, str) else ""
        if not own:
            name = f"{layer.value('type') or 'layer'}{number}".lower()
            notes.add("a layer without a name got one", layer.at)
            layer = layer.with_item("name", Scalar(name, layer.at), at)
        phases, fresh, more = _phases(layer), name, 1
        while any(phases & other for other in used.get(fresh, ())):
            more += 1
            fresh = f"{name}_{more}"
        used.setdefault(fresh, []).append(phases)
        if fresh != name:
            notes.add(f"a further layer called '{name}' is now '{fresh}'", at)
            layer = layer.with_item("name", Scalar(fresh, at), at)
        if fresh != own:
            layer.at.source.renamed[fresh] = own
        found.append(_topped(layer, fresh, blobs))
    return found


def _topped(layer: Mapping, name: str, blobs: set[str]) -> Mapping:
    """A layer whose automatic top does not take the name of another blob."""
    cls = layer_class(str(layer.value("type")))
    if "top" in layer.items or cls is None or not cls.is_loss or name not in blobs:
        return layer
    fresh = AUTOMATIC
    while fresh in blobs:
        fresh += "'"
    blobs.add(fresh)
    return layer.with_item("top", node(fresh, layer.at), layer.at)


def _phases(layer: Mapping) -> set[str]:
    """The phases in which a layer may take part; none where stages or levels say more."""
    both, phases = {"TRAIN", "TEST"}, {"TRAIN", "TEST"}
    for key in ("include", "exclude"):
        rules = items(layer.items.get(key))
        if not rules:
            continue
        values = [rule.plain() for rule in rules]
        if any(not isinstance(rule, dict) or rule.keys() - {"phase"} for rule in values):
            return set()
        named = {phase for rule in values for phase in ([rule["phase"]] if "phase" in rule else both)}
        phases = named if key == "include" else both - named
    return phases


def _words(value: Node | None) -> list[str]:
    return [each.plain() for each in items(value)]
