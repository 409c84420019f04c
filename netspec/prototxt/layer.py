"""A layer of Caffe on its way to netspec's words: its wiring, and the fields of the messages that its type reads."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from netspec.core.nodes import Mapping, Node, Sequence
from netspec.core.places import Place
from netspec.core.rooms import UnknownWord, snake
from netspec.formats import caffe_messages
from netspec.layers.base import LAYERS, Layer
from netspec.prototxt.draft import Draft, Notes, items, single, words
from netspec.prototxt.fields import FORK_MESSAGES, IDLE, MESSAGES, RENAMED
from netspec.prototxt.fillers import filler

LayerClass = type[Layer]

_WIRING = ("name", "type", "bottom", "top", "loss_weight", "param", "include", "exclude", "propagate_down")


@dataclass
class Given:
    """A layer as Caffe has it, and the draft of what it becomes; `type` is Caffe's word."""

    node: Mapping
    notes: Notes
    type: str
    draft: Draft
    read: set[str] = field(default_factory=lambda: {*_WIRING, "phase"})
    """Keys of the layer that have been looked at."""

    @property
    def cls(self) -> LayerClass | None:
        """netspec's layer type of that name."""
        return layer_class(self.type)

    @property
    def bottoms(self) -> list[str]:
        """Names of its bottoms."""
        return words(items(self.node.items.get("bottom")))

    @property
    def tops(self) -> list[str]:
        """Names of its tops."""
        return words(items(self.node.items.get("top")))

    def message(self, name: str) -> Mapping:
        """One of its messages; empty where it has none."""
        self.read.add(name)
        found = self.node.items.get(name)
        return found if isinstance(found, Mapping) else Mapping({}, {}, self.node.at)

    def wire(self) -> None:
        """Name, type, bottoms, tops, params and rules."""
        for name in _WIRING:
            value = self.node.items.get(name)
            if value is not None:
                self.draft.put(name, params(value) if name == "param" else rule(value), self.node.keys[name])
        cls = self.cls
        if "bottom" not in self.draft.items and (cls is None or cls.bottoms.most != 0):
            self.draft.put("bottom", (), self.node.at)
        if "top" not in self.draft.items and cls is not None and not cls.is_loss and cls.tops.most != 0:
            self.draft.put("top", (), self.node.at)

    def fields(self, *without: str) -> None:
        """The fields of all messages that its type reads, but for some."""
        for name in {**FORK_MESSAGES, **MESSAGES}.get(self.type) or (f"{snake(self.type)}_param",):
            message = self.message(name)
            message = message.without(*_idle(name, message))
            if name == "transform_param":
                if message.items:
                    self.draft.put(name, self.kept(message).mapping(), self.node.keys[name])
                continue
            kept = self.kept(message.without(*without))
            self.draft.items |= kept.items
            self.draft.keys |= kept.keys

    def kept(self, message: Mapping) -> Draft:
        """The fields of a message under their names in netspec, without those that mean nothing here."""
        draft, renamed = Draft(message.at), RENAMED.get(self.type, {})
        for name, value in message.items.items():
            at = message.keys[name]
            if name in IDLE:
                if value.plain() not in ("DEFAULT", False, 0):
                    self.notes.left_out(name, IDLE[name], at)
            else:
                draft.put(renamed.get(name, name), self.value(name, value), at)
        return draft

    def value(self, name: str, value: Node) -> Node:
        """The value of a field."""
        return single(filler(value, self.notes)) if name.endswith("filler") else rule(value)

    def drop(self, message: str, names: tuple[str, ...], why: str) -> None:
        """Leave some fields of a message out, and say so."""
        given = self.message(message)
        for name in names:
            if name in given.items:
                self.notes.left_out(name, why, given.keys[name])

    def put(self, key: str, value: object, at: Place | None = None) -> None:
        """Set a field of the layer."""
        self.draft.put(key, value, at or self.node.keys.get("type", self.node.at))

    def rest(self) -> None:
        """Say which of its messages mean nothing."""
        for name, at in self.node.keys.items():
            if name not in self.read:
                self.notes.left_out(name, f"it means nothing to a {self.type} layer", at)


def _idle(name: str, message: Mapping) -> list[str]:
    """The fields of a message that a fork added, and that say what holds without them."""
    known = caffe_messages.fields("LayerParameter").get(name)
    own = caffe_messages.fields(known.type) if known is not None else {}
    forks = [field for field in own.values() if field.fork and field.name in message.items]
    return [field.name for field in forks if message.value(field.name) == field.default]


def layer_class(word: str) -> LayerClass | None:
    """The layer type of a name; None where netspec has none."""
    try:
        return LAYERS.get(word)
    except UnknownWord:
        return None


def rule(value: Node) -> Node:
    """A value in which lists of one item, at any depth, are that item."""
    value = single(value)
    if isinstance(value, Mapping):
        return replace(value, items={key: rule(item) for key, item in value.items.items()})
    if isinstance(value, Sequence):
        return replace(value, items=tuple(map(rule, value.items)))
    return value


def params(value: Node) -> Node:
    """Settings of params; an empty name is none."""
    found = single(value)
    if isinstance(found, Sequence):
        return replace(found, items=tuple(map(params, found.items)))
    return found.without("name") if isinstance(found, Mapping) and found.value("name") == "" else found


def sizes(shape: Node | None) -> list[int]:
    """The lengths in a BlobShape."""
    return words(items(shape.items.get("dim"))) if isinstance(shape, Mapping) else []
