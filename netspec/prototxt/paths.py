"""Paths in Caffe's files, which Caffe reads from the folder that it is started in: mostly that of its own sources.

A path is looked for beside the file that it is written in, in the current folder, and in the folders above the file.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from netspec.core.locate import expanded, home, tidy
from netspec.core.model import spec_paths
from netspec.core.nodes import Mapping, Note, Scalar


def located(node: Scalar) -> tuple[Scalar, tuple[Note, ...]]:
    """A path of Caffe's as one from the folder of its file, and a note where it leads out of the folders of the user.

    A path that is nowhere stays as it is.
    """
    text, folder = node.value, node.at.source.folder
    if not isinstance(text, str) or not text or "\0" in text:
        return node, ()
    found = tidy(home(folder, text) / expanded(text))
    if not os.path.exists(found) or _same(found, folder / expanded(text)):
        return node, _told(node, found)
    path = Path(os.path.abspath(found))
    own = Path(os.path.abspath(folder))
    value = str(path.relative_to(own)) if path.is_relative_to(own) else str(path)
    return replace(node, value=value), _told(node, found)


def with_paths(layer: Mapping, cls: type[Any]) -> tuple[Mapping, tuple[Note, ...]]:
    """A layer in netspec's words, of a class, with every path in it located."""
    notes: list[Note] = []
    for path in spec_paths(cls, layer.plain()):
        layer = _changed(layer, path, notes)
    return layer, tuple(notes)


def _changed(node: Mapping, path: tuple[str | int, ...], notes: list[Note]) -> Mapping:
    """A mapping with the value at a path located; one inside a list stays, as no layer of Caffe's has any."""
    key = str(path[0])
    value = node.items[key]
    if isinstance(value, Mapping) and len(path) > 1:
        return node.with_item(key, _changed(value, path[1:], notes), node.keys[key])
    if not isinstance(value, Scalar):
        return node
    value, found = located(value)
    notes += found
    return node.with_item(key, value, node.keys[key])


def _same(one: Path, other: Path) -> bool:
    return os.path.abspath(one) == os.path.abspath(other)


def _told(node: Scalar, found: Path) -> tuple[Note, ...]:
    """The note on a path that leads neither below the folder of its file nor below the current folder."""
    if not os.path.exists(found):
        return ()
    real = Path(os.path.realpath(found))
    named = (Path(os.path.realpath(node.at.source.folder)), Path(os.path.realpath(".")))
    if any(real.is_relative_to(folder) for folder in named):
        return ()
    return (Note(f"'{node.value}' leads to '{real}', which is in no folder that you have named", node.at),)
