"""Nodes: the values of a document, each with the place where it was written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from netspec.core.errors import Mistakes, NetspecError
from netspec.core.places import Place, SourceText


@dataclass(frozen=True, slots=True)
class Scalar:
    """A word, number, boolean or null."""

    value: str | int | float | bool | None
    at: Place
    quoted: bool = False

    def plain(self) -> Any:
        """The value itself."""
        return self.value


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list of nodes."""

    items: tuple[Node, ...]
    at: Place

    def plain(self) -> Any:
        """The values as a tuple."""
        return tuple(item.plain() for item in self.items)


@dataclass(frozen=True, slots=True)
class Mapping:
    """Nodes by key, in the order they were written; `keys` holds the place of each key."""

    items: dict[str, Node]
    keys: dict[str, Place]
    at: Place

    def plain(self) -> Any:
        """The values as a dict."""
        return {key: item.plain() for key, item in self.items.items()}

    def value(self, key: str) -> Any:
        """The plain value under a key; None where there is none."""
        node = self.items.get(key)
        return node.plain() if node is not None else None

    def with_item(self, key: str, node: Node, at: Place) -> Mapping:
        """A copy in which `key` holds `node`."""
        return replace(self, items={**self.items, key: node}, keys={**self.keys, key: at})

    def without(self, *names: str) -> Mapping:
        """A copy that lacks some keys."""
        items = {key: node for key, node in self.items.items() if key not in names}
        keys = {key: place for key, place in self.keys.items() if key not in names}
        return replace(self, items=items, keys=keys)


Node = Scalar | Sequence | Mapping


def texts(node: Node) -> Iterator[str]:
    """Every text among the values of a node."""
    if isinstance(node, Scalar):
        if isinstance(node.value, str):
            yield node.value
        return
    for item in node.items.values() if isinstance(node, Mapping) else node.items:
        yield from texts(item)


def describe(node: Node) -> str:
    """A node in the words of an error."""
    if isinstance(node, Scalar):
        words = {None: "nothing", True: "true", False: "false"}
        return words[node.value] if node.value is None or isinstance(node.value, bool) else f"{node.value!r}"
    return "a list" if isinstance(node, Sequence) else "a mapping"


@dataclass(frozen=True)
class Note:
    """What is worth knowing about a place of a file and is no mistake: a field that means nothing was left out."""

    text: str
    at: Place


@dataclass(frozen=True)
class Document:
    """One file's values with their places; `notes` say what was changed where it came from another program."""

    root: Mapping
    source: SourceText
    path: Path | None = None
    notes: tuple[Note, ...] = ()

    def plain(self) -> dict[str, Any]:
        """All values without places."""
        values: dict[str, Any] = self.root.plain()
        return values

    def locate(self, *path: str | int) -> Place:
        """The place of the value at `path`, or of the nearest enclosing value that was written."""
        return locate(self.root, *path)


def locate(node: Node, *path: str | int, key: bool = False) -> Place:
    """The place of the value at `path` below `node`, or of the deepest value on the way that exists.

    With `key` it is the place of the last key instead of its value. Item 0 of a value that is not a list is the value
    itself: `bottom: conv1` is `bottom: [conv1]`.
    """
    place = node.at
    for depth, step in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(node, Mapping) and isinstance(step, str) and step in node.items:
            place = node.keys[step] if key and last else node.items[step].at
            node = node.items[step]
        elif isinstance(node, Sequence) and isinstance(step, int) and -len(node.items) <= step < len(node.items):
            node = node.items[step]
            place = node.at
        elif step != 0 or isinstance(node, Sequence):
            break
    return place


@contextmanager
def placed(node: Node | None, *path: str | int) -> Iterator[None]:
    """Add the place of the value at `path` to errors that the body raises without a place.

    An error that names a field gets the place of that field in the value.
    """
    try:
        yield
    except NetspecError as error:
        if node is None:
            raise
        errors = [_placed(each, node, path) for each in error.errors()]
        raise errors[0] if len(errors) == 1 else Mistakes(errors) from error


def _placed(error: NetspecError, node: Node, path: tuple[str | int, ...]) -> NetspecError:
    if error.at is not None:
        return error
    field = getattr(error, "field", None)
    steps = [int(step) if step.isdigit() else step for step in field.split(".")] if field else []
    return error.at_place(locate(node, *path, *steps))
