"""Paths in a solver and in its net: each starts from the folder of the text that it is written in."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from netspec.core import locate
from netspec.core.model import spec_paths
from netspec.core.nodes import Mapping, Node, Scalar
from netspec.core.nodes import Sequence as Items
from netspec.core.rooms import UnknownWord
from netspec.layers.base import LAYERS


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths lead to the same file."""
    return os.path.realpath(one) == os.path.realpath(other)


def settled(root: Mapping, base: Path) -> Mapping:
    """A solver's root, expanded, whose relative paths all start from `base`, the folder of the solver file.

    Paths that were written elsewhere, in a parent in another folder or on the command line, become absolute.
    """
    from netspec.data.spec import FeedsSpec

    for path in (("weights",), *spec_paths(FeedsSpec, root.value("data"), "data")):
        root = _changed_in(root, path, partial(_from, base))
    return root


def settled_net(root: Mapping, base: Path) -> Mapping:
    """A net's root, expanded, whose relative paths in layers all start from `base`, the folder of its solver."""
    for path in layer_paths(root.plain()):
        root = _changed_in(root, path, partial(_from, base))
    return root


def layer_paths(net: Any, *above: str | int) -> Iterator[tuple[str | int, ...]]:
    """Positions of file paths among a net's plain values, which need not be valid."""
    layers = net.get("layers") if isinstance(net, dict) else None
    for i, layer in enumerate(layers if isinstance(layers, tuple) else ()):
        with suppress(UnknownWord):
            cls = LAYERS.get(str(layer.get("type") if isinstance(layer, dict) else layer))
            yield from spec_paths(cls, layer, *above, "layers", i)


def _from(base: Path, node: Node) -> Node:
    """A path as a value that starts from `base`."""
    if not isinstance(node, Scalar) or not isinstance(node.value, str) or same_file(node.at.source.folder, base):
        return node
    path = Path.cwd() / node.at.source.folder / locate.expanded(node.value)
    return replace(node, value=str(locate.tidy(path)))


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
