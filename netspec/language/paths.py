"""Relative paths in a spec: made whole where the file that holds them is merged into one of another folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from netspec.core import locate
from netspec.core.nodes import Document, Mapping, Node, Scalar
from netspec.core.nodes import Sequence as Items
from netspec.core.rooms import Room, UnknownWord


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file."""
    return os.path.realpath(one) == os.path.realpath(other)


def rebased(parent: Document, base: Path) -> Mapping:
    """The root of a parent that lies in another folder than its child, its relative paths made whole: paths hold where they are written."""
    if parent.path is None or same_file(parent.path.parent, base):
        return parent.root
    folder = parent.path.parent.resolve()
    return _with_paths(parent.root, lambda node: replace(node, value=str(folder / str(node.value))))


def typed_paths(root: Mapping, base: Path) -> Mapping:
    """The root of a solver that lies in `base`; paths that were typed as overrides are relative to the current folder, and made to be."""

    def whole(node: Scalar) -> Scalar:
        relative = node.at.source.typed and not os.path.isabs(str(node.value)) and str(base) != "."
        return replace(node, value=os.path.relpath(str(node.value), base)) if relative else node

    return _with_paths(root, whole)


def _with_paths(root: Mapping, whole: Callable[[Scalar], Scalar]) -> Mapping:
    """The root of a solver, its relative paths changed."""

    def changed(node: Node) -> Node:
        if isinstance(node, Items):
            return replace(node, items=tuple(map(changed, node.items)))
        written = (
            isinstance(node, Scalar)
            and isinstance(node.value, str)
            and "$" not in node.value
            and not node.value.startswith("~")
        )
        return whole(node) if isinstance(node, Scalar) and written else node

    net = root.items.get("net")
    if isinstance(net, Scalar) and isinstance(net.value, str) and locate.is_path(net.value):
        root = root.with_item("net", changed(net), root.keys["net"])
    feed = _feed(changed)
    data: Change = lambda node: _within(_within(node, "train", feed), "test", feed)  # noqa: E731
    result: Mapping = _within(_within(root, "weights", changed), "data", data)
    return result


Change = Callable[[Node], Node]


def _within(node: Any, key: str, change: Change) -> Any:
    """A mapping with the value of one key changed, if it has it."""
    return (
        node.with_item(key, change(node.items[key]), node.keys[key])
        if isinstance(node, Mapping) and key in node.items
        else node
    )


def _feed(whole: Change) -> Change:
    """Makes the paths whole that a phase's data hold."""
    from netspec.data.sources.base import SOURCES
    from netspec.data.transforms.base import TRANSFORMS

    def in_room(room: Room[Any]) -> Change:
        def changed(node: Node) -> Node:
            if isinstance(node, Items):
                return replace(node, items=tuple(map(changed, node.items)))
            try:
                names = room.get(node.value("type")).path_fields() if isinstance(node, Mapping) else ()
            except (UnknownWord, AttributeError):
                return node
            for name in names:
                node = _within(node, name, whole)
            return node

        return changed

    return lambda feed: _within(_within(feed, "source", in_room(SOURCES)), "transform", in_room(TRANSFORMS))
