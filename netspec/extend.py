"""`extends`: a document merged over its parent, before anything else; every value keeps the file, line and column it was written at.

What the child says goes over what the parent says, key by key; a choice (`{type: X, ...}`) and a list are replaced whole. Layers are merged
by their names, and an entry may say where it goes: `insert_before`, `insert_after`, `replace`, `remove`. `expect` is not inherited.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from netspec import locate
from netspec.diagnostics import Findings, Place, Source, SpecError, suggest
from netspec.document import Document, Mapping, Node, Scalar, UnreadableError, describe, read
from netspec.document import Sequence as Items
from netspec.registry import Room, UnknownWord

Shelf = Literal["models", "solvers"]

MAX_PARENTS = 20
EDITS = ("insert_before", "insert_after", "replace", "remove")


class ExtendsError(SpecError):
    """`extends` names no file, or a file that extends this one."""

    code = "NS130"


class EditError(SpecError):
    """An entry edits a layer that the parent does not have, or does not say what it is."""

    code = "NS131"


def open_spec(reference: str, shelf: Shelf, base: Path | None = None, via: Place | None = None) -> Document:
    """The document that a word names, merged over its parents: a path (relative to `base`), or a zoo name of `shelf`.

    Raises UnreadableError, ExtendsError, EditError.
    """
    return extended(read(_file(reference, shelf, base, via), via), shelf)


def _file(reference: str, shelf: Shelf, base: Path | None, via: Place | None) -> Path:
    """The file that a word names. Raises UnreadableError for a word that is no path and not in the zoo."""
    path = locate.find(reference, shelf, base)
    if not locate.is_path(reference) and not locate.exists(path):
        one = "net" if shelf == "models" else "solver"
        at = via or Place(Source(reference, ""))
        there = [p.name for p in (base or Path()).glob("*.yaml")]
        help = suggest(reference, [*locate.names(shelf), *there])
        raise UnreadableError(f"there is neither a file '{reference}' nor a {one} of that name in the zoo", at=at, help=help)
    return path


def extended(document: Document, shelf: Shelf, below: tuple[Document, ...] = ()) -> Document:
    """A document merged over the one it extends; itself where it extends none. `below` are the documents that brought this one here."""
    node = document.root.items.get("extends")
    if node is None:
        return document
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        one = "net" if shelf == "models" else "solver"
        raise ExtendsError(f"`extends` names one {one}, not {describe(node)}", at=node.at, help="like `extends: resnet50.yaml`")
    base = document.path.parent if document.path else Path()
    path = _file(node.value, shelf, base, node.at)
    chain = (*below, document)
    if any(one.path is not None and _same(one.path, path) for one in chain):
        names = " -> ".join([*(one.source.name for one in chain), node.value])
        raise ExtendsError(f"a file that extends itself: {names}", at=node.at, help="a child names its parent, never the other way round")
    if len(chain) > MAX_PARENTS:
        raise ExtendsError(f"more than {MAX_PARENTS} parents above one another", at=node.at)
    parent = extended(read(path, node.at), shelf, chain)
    found = Findings()
    root = _merged(_rebased(parent, base), document.root.without("extends"), found)
    found.raise_if_any()
    return replace(document, root=root)


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _merged(parent: Mapping, child: Mapping, found: Findings) -> Mapping:
    """The root of a child over its parent's."""
    kept = parent.without("expect")
    layers, edits = kept.items.get("layers"), child.items.get("layers")
    if isinstance(layers, Items) and isinstance(edits, Items):
        child = child.with_item("layers", _Edited(layers, found).by(edits), child.keys["layers"])
    root = _over(kept, child, top=True)
    return replace(root, at=child.at)


def _over(parent: Mapping, child: Mapping, top: bool = False) -> Mapping:
    """A mapping over another: key by key where both hold mappings and the child's is no choice of its own; blocks are replaced whole."""
    result = parent
    for key, node in child.items.items():
        before = parent.items.get(key)
        tables = {"vars", "defaults", "blocks"}
        whole = not isinstance(node, Mapping) or (key not in tables and bool({"type", "block"} & set(node.items)))
        if isinstance(before, Scalar) and isinstance(before.value, str) and isinstance(node, Mapping) and not whole and not top:
            before = Mapping({"type": before}, {"type": before.at}, before.at)  # `step` is {type: step}
        if isinstance(before, Mapping) and isinstance(node, Mapping) and not whole:
            node = (
                replace(before, items={**before.items, **node.items}, keys={**before.keys, **node.keys})
                if key == "blocks"
                else _over(before, node)
            )
        result = result.with_item(key, node, child.keys[key])
    return result


class _Edited:
    """A parent's layers, edited by a child's entries one after the other."""

    def __init__(self, layers: Items, found: Findings) -> None:
        self.at, self.found = layers.at, found
        self.items: list[Node] = list(layers.items)
        self.after: dict[str, str] = {}
        """For each layer that others were inserted after: the last of them."""

    def by(self, edits: Items) -> Items:
        """The layers as the child has them."""
        for entry in edits.items:
            with self.found.catching():
                self.edit(entry)
        return Items(tuple(self.items), edits.at)

    def edit(self, entry: Node) -> None:
        """Carry out one entry. Raises EditError."""
        if not isinstance(entry, Mapping):
            self.items.append(entry)
            return
        said = [key for key in EDITS if key in entry.items]
        if len(said) > 1:
            raise EditError(f"`{said[0]}` and `{said[1]}` exclude each other", at=entry.keys[said[1]], help="one entry makes one change")
        if said:
            self.change(said[0], entry)
            return
        name = _name(entry)
        index = self.find(name)
        if index is not None:
            self.items[index] = self.over(index, entry, str(name))
        elif "type" in entry.items or "block" in entry.items or name is None:
            self.items.append(entry)
        else:
            text = f"the net that this one extends has no layer '{name}'"
            help = suggest(name, self.names()) or "a new layer says its `type`"
            raise EditError(text, at=entry.items["name"].at, help=help)

    def over(self, index: int, entry: Mapping, name: str) -> Node:
        """A layer with the fields that an entry gives. Raises EditError."""
        before = self.items[index]
        assert isinstance(before, Mapping)
        for key, other in (("type", "block"), ("block", "type")):
            if key in entry.items and (other in before.items or _plain(entry, key) != _plain(before, key)):
                was = f"{other} {_plain(before, other)}" if other in before.items else f"{key} {_plain(before, key)}"
                text = f"layer '{name}' of the net that this one extends is of {was}"
                related = [("it is written here:", before.items["name"].at)]
                help = f"to put another in its place say `replace: {name}`"
                raise EditError(text, at=entry.items[key].at, help=help, related=related)
        return replace(_over(before, entry), at=entry.at)

    def change(self, word: str, entry: Mapping) -> None:
        """Insert, replace or remove. Raises EditError."""
        for target, at in self.targets(word, entry):
            index = self.find(target)
            if index is None:
                text = f"the net that this one extends has no layer '{target}'"
                raise EditError(text, at=at, help=suggest(target, self.names()))
            if word == "remove":
                del self.items[index]
                continue
            new = entry.without(word)
            if word == "replace":
                if "name" not in new.items:
                    new = _named(new, target, at)
                self.items[index] = new
                continue
            if _name(new) is None or not ("type" in new.items or "block" in new.items):
                raise EditError(
                    "a new layer needs a `name` and a `type`",
                    at=entry.keys[word],
                    help=f"like `{{{word}: {target}, name: bn1, type: BatchNorm}}`",
                )
            if self.find(_name(new)) is not None:
                raise EditError(f"there is a layer '{_name(new)}' already", at=new.items["name"].at, help="give the new layer another name")
            last = self.find(self.after.get(target)) if word == "insert_after" else None
            self.items.insert(index if word == "insert_before" else (last if last is not None else index) + 1, new)
            if word == "insert_after":
                self.after[target] = str(_name(new))

    def targets(self, word: str, entry: Mapping) -> Iterator[tuple[str, Place]]:
        """The layers that an edit names: one, or several to remove. Raises EditError."""
        node = entry.items[word]
        if word == "remove" and len(entry.items) > 1:
            other = next(key for key in entry.keys if key != "remove")
            raise EditError("`remove` stands alone", at=entry.keys[other], help=f"like `- {{remove: {_plain(entry, 'remove')}}}`")
        nodes = node.items if isinstance(node, Items) and word == "remove" else (node,)
        for one in nodes:
            if not isinstance(one, Scalar) or not isinstance(one.value, str):
                raise EditError(f"`{word}` names a layer, not {describe(one)}", at=one.at)
            yield one.value, one.at

    def find(self, name: str | None) -> int | None:
        """Where a layer stands."""
        return next((i for i, item in enumerate(self.items) if name is not None and _name(item) == name), None)

    def names(self) -> list[str]:
        """The layers' names."""
        return [name for item in self.items if (name := _name(item)) is not None]


def _name(node: Node) -> str | None:
    name = node.items.get("name") if isinstance(node, Mapping) else None
    return name.value if isinstance(name, Scalar) and isinstance(name.value, str) else None


def _plain(node: Mapping, key: str) -> object:
    held = node.items.get(key)
    return held.plain() if held is not None else None


def _named(entry: Mapping, name: str, at: Place) -> Mapping:
    """An entry with a name in front."""
    return replace(entry, items={"name": Scalar(name, at), **entry.items}, keys={"name": at, **entry.keys})


def _rebased(parent: Document, base: Path) -> Mapping:
    """The root of a parent that lies in another folder than its child, its relative paths made whole: paths hold where they are written."""
    root = parent.root
    if parent.path is None or _same(parent.path.parent, base):
        return root
    folder = parent.path.parent.resolve()

    def whole(node: Node) -> Node:
        if isinstance(node, Items):
            return replace(node, items=tuple(whole(item) for item in node.items))
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or "$" in node.value or node.value.startswith("~"):
            return node
        return replace(node, value=str(folder / node.value))

    net = root.items.get("net")
    if isinstance(net, Scalar) and isinstance(net.value, str) and locate.is_path(net.value):
        root = root.with_item("net", whole(net), root.keys["net"])
    feed = _feed(whole)
    data: Change = lambda node: _within(_within(node, "train", feed), "test", feed)  # noqa: E731
    rebased: Mapping = _within(_within(root, "weights", whole), "data", data)
    return rebased


Change = Callable[[Node], Node]


def _within(node: Any, key: str, change: Change) -> Any:
    """A mapping with the value of one key changed, if it has it."""
    return node.with_item(key, change(node.items[key]), node.keys[key]) if isinstance(node, Mapping) and key in node.items else node


def _feed(whole: Change) -> Change:
    """Makes the paths whole that a phase's data hold."""
    from netspec.sources.base import SOURCES
    from netspec.transforms.base import TRANSFORMS

    def in_room(room: Room[Any]) -> Change:
        def changed(node: Node) -> Node:
            if isinstance(node, Items):
                return replace(node, items=tuple(map(changed, node.items)))
            try:
                names = room.get(_plain(node, "type")).path_fields() if isinstance(node, Mapping) else ()
            except (UnknownWord, AttributeError):
                return node
            for name in names:
                node = _within(node, name, whole)
            return node

        return changed

    return lambda feed: _within(_within(feed, "source", in_room(SOURCES)), "transform", in_room(TRANSFORMS))
