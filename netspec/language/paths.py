"""Relative paths in a spec: made absolute when their file is merged into a file of another folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from netspec.core import locate
from netspec.core.model import spec_paths
from netspec.core.nodes import Document, Mapping, Node, Scalar
from netspec.core.nodes import Sequence as Items


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same file."""
    return os.path.realpath(one) == os.path.realpath(other)


def rebased(parent: Document, base: Path) -> Mapping:
    """A parent's root, its relative paths made absolute: they start from the parent's folder, not from the child's."""
    if parent.path is None or same_file(parent.path.parent, base):
        return parent.root
    folder = parent.path.parent.resolve()
    return _with_paths(parent.root, lambda node: replace(node, value=str(folder / str(node.value))))


def typed_paths(root: Mapping, base: Path) -> Mapping:
    """A solver's root; paths typed as overrides, relative to the current folder, are made relative to `base`.

    `base` is the folder of the solver file.
    """

    def whole(node: Scalar) -> Scalar:
        relative = node.at.source.typed and not os.path.isabs(str(node.value)) and str(base) != "."
        return replace(node, value=os.path.relpath(str(node.value), base)) if relative else node

    return _with_paths(root, whole)


def _with_paths(root: Mapping, whole: Callable[[Scalar], Scalar]) -> Mapping:
    """A solver's root, with every relative path replaced by `whole` of it."""
    from netspec.data.spec import FeedsSpec

    def changed(node: Node) -> Node:
        written = isinstance(node, Scalar) and isinstance(node.value, str) and "$" not in node.value
        return whole(node) if isinstance(node, Scalar) and written and not str(node.value).startswith("~") else node

    net, data = root.items.get("net"), root.value("data")
    paths: list[tuple[str | int, ...]] = [("weights",), *spec_paths(FeedsSpec, data, "data")]
    if isinstance(net, Scalar) and isinstance(net.value, str) and locate.is_path(net.value):
        paths.append(("net",))
    for path in paths:
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
