"""Paths in a solver: each starts from the folder of the text that it is written in."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from netspec.core import locate
from netspec.core.model import spec_paths
from netspec.core.nodes import Mapping, Node, Scalar
from netspec.core.nodes import Sequence as Items


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same file."""
    return os.path.realpath(one) == os.path.realpath(other)


def settled(root: Mapping, base: Path) -> Mapping:
    """A solver's root, expanded, whose relative paths all start from `base`, the folder of the solver file.

    Paths that were written elsewhere, in a parent in another folder or on the command line, become absolute.
    """
    from netspec.data.spec import FeedsSpec

    def changed(node: Node) -> Node:
        if not isinstance(node, Scalar) or not isinstance(node.value, str) or same_file(node.at.source.folder, base):
            return node
        path = Path.cwd() / node.at.source.folder / locate.expanded(node.value)
        return replace(node, value=str(locate.tidy(path)))

    for path in (("weights",), *spec_paths(FeedsSpec, root.value("data"), "data")):
        root = _changed_in(root, path, changed)
    return root


def _changed_at(node: Node, path: tuple[str | int, ...], change: Callable[[Node], Node]) -> Node:
    """A node with the value at a path changed, if it exists; a value that is no list is its own item 0."""
    if not path:
        return change(node)
    step, rest = path[0], path[1:]
    if isinstance(node, Mapping):
        return _changed_in(node, path, change)
    if isinstance(node, Items) and isinstance(step, int):
        items = tuple(_changed_at(item, rest, change) if i == step else item for i, item in enumerate(node.items))
        return replace(node, items=items)
    return _changed_at(node, rest, change) if step == 0 else node


def _changed_in(node: Mapping, path: tuple[str | int, ...], change: Callable[[Node], Node]) -> Mapping:
    """A mapping with the value at a path, which has a step, changed; the mapping itself if there is no such value."""
    key, rest = str(path[0]), path[1:]
    held = node.items.get(key)
    return node if held is None else node.with_item(key, _changed_at(held, rest, change), node.keys[key])
