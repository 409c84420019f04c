"""Relative paths in a spec: made whole where the file that holds them is merged into one of another folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from netspec.core import locate
from netspec.core.model import spec_paths
from netspec.core.nodes import Document, Mapping, Node, Scalar
from netspec.core.nodes import Sequence as Items
from netspec.data.spec import FeedsSpec


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
        written = isinstance(node, Scalar) and isinstance(node.value, str) and "$" not in node.value
        return whole(node) if isinstance(node, Scalar) and written and not str(node.value).startswith("~") else node

    net, data = root.items.get("net"), root.value("data")
    paths: list[tuple[str | int, ...]] = [("weights",), *spec_paths(FeedsSpec, data, "data")]
    if isinstance(net, Scalar) and isinstance(net.value, str) and locate.is_path(net.value):
        paths.append(("net",))
    result: Node = root
    for path in paths:
        result = _changed_at(result, path, changed)
    assert isinstance(result, Mapping)
    return result


def _changed_at(node: Node, path: tuple[str | int, ...], change: Callable[[Node], Node]) -> Node:
    """A node with the value at a path changed, where there is one; item 0 of what is no list is the value itself."""
    if not path:
        return change(node)
    step, rest = path[0], path[1:]
    if isinstance(node, Mapping):
        held = node.items.get(str(step))
        return (
            node if held is None else node.with_item(str(step), _changed_at(held, rest, change), node.keys[str(step)])
        )
    if isinstance(node, Items) and isinstance(step, int):
        items = tuple(_changed_at(item, rest, change) if i == step else item for i, item in enumerate(node.items))
        return replace(node, items=items)
    return _changed_at(node, rest, change) if step == 0 else node
