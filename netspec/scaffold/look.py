"""Looks at a path: what kind of data lie there, and what a first net must know of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.errors import DataError
from netspec.data.sources.base import SOURCES, Source
from netspec.formats.files import MissingDataError, opened
from netspec.scaffold.columns import columns
from netspec.scaffold.found import Characters, Found, Images, Table

if TYPE_CHECKING:
    from netspec.data.dataset import Dataset


class NothingFoundError(DataError):
    """A path has neither images, nor a table, nor a text."""

    code = "NS666"


TABLES = {".csv": "Csv", ".tsv": "Csv", ".parquet": "Parquet", ".pq": "Parquet"}
"""The source that reads a table, by the end of its file's name."""

PARTS = {"train": ("train", "training"), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
"""Names of folders that hold the samples of one feed."""

_LOOKED_AT = 64
"""Images whose size and colours are looked at."""


def look(path: str, target: str | None = None) -> Found:
    """What is at a path: a folder with a folder of images a class, a table, or a text. Raises DataError."""
    place = Path(path)
    if place.is_dir():
        return _images(path)
    if not place.exists():
        with opened(place):  # says what is wrong
            raise MissingDataError(f"there is no file '{path}'")
    if kind := TABLES.get(place.suffix.lower()):
        return _table(path, kind, target)
    if place.suffix.lower() in {".txt", ".text", ".md"}:
        return _characters(path)
    raise NothingFoundError(
        f"'{path}' is no folder, and its name says neither table nor text",
        help="give a folder with a folder of images for each class, a .csv or .parquet table, or a .txt",
    )


def _images(path: str) -> Images:
    parts = _parts(path)
    first = parts.get("all", parts.get("train", ""))
    data = _open("ImageFolder", folder=first)
    classes = data.classes(1) or ()
    height, width, grey = _seen(data)
    equal = len(set(height)) == 1 and len(set(width)) == 1
    short = sorted(min(pair) for pair in zip(height, width, strict=True))[len(height) // 2]
    size = (height[0], width[0]) if equal else None
    return Images(parts, classes, len(data), 1 if grey else 3, size, short)


def _parts(path: str) -> dict[str, str]:
    """The folders of each feed; all samples in one folder where there is no folder for training."""
    there = {name.lower(): name for name in os.listdir(path) if (Path(path) / name).is_dir()}
    found = {
        part: f"{path.rstrip('/')}/{there[name]}" for part, names in PARTS.items() for name in names if name in there
    }
    return found if "train" in found and len(there) == len(found) else {"all": path}


def _seen(data: Dataset) -> tuple[list[int], list[int], bool]:
    """The heights and widths of some images, from all over the data, and whether all of them are grey."""
    import numpy as np

    height, width, grey = [], [], True
    number = min(len(data), _LOOKED_AT)
    for index in np.linspace(0, len(data) - 1, number).round().astype(np.int64):
        image = data.read(np.array([index]))[0][0]
        height.append(int(image.shape[1]))
        width.append(int(image.shape[2]))
        grey = grey and bool((image == image[:1]).all())
    return height, width, grey


def _table(path: str, kind: str, target: str | None) -> Table:
    chosen = columns(path, kind, target)
    fields: dict[str, Any] = {"file": path, "label" if chosen.classified else "target": chosen.target}
    given = {"delimiter": chosen.delimiter, "categories": chosen.categories, "ignore": chosen.left}
    fields |= {name: value for name, value in given.items() if value}
    if chosen.missing:
        fields["missing"] = "keep"
    data = _open(kind, **fields)
    return Table(
        path,
        kind,
        chosen.delimiter,
        chosen.target,
        chosen.categories,
        chosen.left,
        chosen.missing,
        data.shapes[0][0],
        len(data),
        (data.classes(1) or ()) if chosen.classified else (),
    )


def _characters(path: str) -> Characters:
    with opened(Path(path)) as file:
        content = file.read()
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        fault = f"'{path}' is no text in UTF-8: byte {error.start:,} is {content[error.start]:#04x}"
        raise NothingFoundError(fault) from None
    if len(text) < 1000:
        raise NothingFoundError(
            f"'{path}' has {len(text):,} characters", help="a text to learn from has thousands of them"
        )
    return Characters(path, len(text), len(set(text)))


def _open(kind: str, **fields: str | Sequence[str]) -> Dataset:
    source: Source = SOURCES.parse({"type": kind, **fields})
    return source.open(None)
