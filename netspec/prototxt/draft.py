"""Values in netspec's words while they are gathered, each with its place in the prototxt; and notes of what changed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from netspec.core.nodes import Mapping, Node, Note, Scalar, Sequence, texts
from netspec.core.places import Place


class Draft:
    """A mapping that grows item by item."""

    def __init__(self, at: Place) -> None:
        self.items: dict[str, Node] = {}
        self.keys: dict[str, Place] = {}
        self.at = at

    def put(self, key: str, value: Any, at: Place) -> None:
        """Set a key to a node, or to a plain value that came about at a place."""
        self.items[key] = value if isinstance(value, (Scalar, Sequence, Mapping)) else node(value, at)
        self.keys[key] = at

    def mapping(self) -> Mapping:
        """What was gathered."""
        return Mapping(self.items, self.keys, self.at)


class Notes:
    """Notes about a file, where equal ones are said once, at their first place."""

    def __init__(self) -> None:
        self._places: dict[str, list[Place]] = {}

    def add(self, text: str, at: Place) -> None:
        """Remember a note."""
        self._places.setdefault(text, []).append(at)

    def left_out(self, name: str, why: str, at: Place) -> None:
        """A field was left out."""
        self.add(f"`{name}` is left out: {why}", at)

    def all(self) -> tuple[Note, ...]:
        """All notes, in the order of their first places."""
        found = []
        for text, places in self._places.items():
            times = f" ({len(places)} times)" if len(places) > 1 else ""
            found.append(Note(text + times, places[0]))
        return tuple(found)


def node(value: Any, at: Place) -> Node:
    """A plain value as a node, all of it at one place."""
    if isinstance(value, dict):
        return Mapping({key: node(item, at) for key, item in value.items()}, dict.fromkeys(value, at), at)
    if isinstance(value, (tuple, list)):
        return Sequence(tuple(node(item, at) for item in value), at)
    return Scalar(value, at)


def items(value: Node | None) -> tuple[Node, ...]:
    """The items of a list; a value that is no list is its only item."""
    if value is None:
        return ()
    return value.items if isinstance(value, Sequence) else (value,)


def single(value: Node) -> Node:
    """A value as a person writes it: a list of one item is that item."""
    return value.items[0] if isinstance(value, Sequence) and len(value.items) == 1 else value


def escaped(value: Node) -> Node:
    """A value in whose texts `$` stands for itself."""
    return _doubled(value) if any("$" in text for text in texts(value)) else value


def _doubled(value: Node) -> Node:
    if isinstance(value, Scalar):
        return replace(value, value=value.value.replace("$", "$$")) if isinstance(value.value, str) else value
    if isinstance(value, Sequence):
        return replace(value, items=tuple(map(_doubled, value.items)))
    return replace(value, items={key: _doubled(item) for key, item in value.items.items()})


def words(values: Iterable[Node]) -> list[Any]:
    """The plain values of nodes."""
    return [value.plain() for value in values]
