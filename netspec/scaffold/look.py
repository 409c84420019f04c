"""Looks at a path: what kind of data lie there, and what a first net must know of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.core.errors import DataError
from netspec.data.image_files import ImageFiles, parts_of
from netspec.data.sources.base import SOURCES, Source
from netspec.data.sources.image_folder import ImageFolder
from netspec.formats.files import FileError, MissingDataError, opened
from netspec.scaffold.columns import NoTargetError, columns
from netspec.scaffold.found import Characters, Found, Images, Table

if TYPE_CHECKING:
    from netspec.data.dataset import Dataset


class NothingFoundError(DataError):
    """A path has neither images, nor a table, nor a text."""

    code = "NS666"


TABLES = {".csv": "Csv", ".tsv": "Csv", ".parquet": "Parquet", ".pq": "Parquet"}
"""The source that reads a table, by the end of its file's name."""

TEXTS = frozenset({".txt", ".text", ".md"})

Seen = tuple[list[int], list[int], bool]
"""Heights and widths of some images, and whether all of these are grey."""

_LOOKED_AT = 64
"""Images whose size and colours are looked at."""


def look(path: str, target: str | None = None) -> Found:
    """What is at a path: a folder with a folder of images a class, a table, or a text. Raises DataError."""
    place = Path(path)
    if target is not None and (place.is_dir() or place.suffix.lower() in TEXTS):
        raise NoTargetError(f"'{path}' is no table, so it has no column '{target}'", help="leave --target out")
    if place.is_dir():
        return _images(path)
    if not place.exists():
        with opened(place):  # says what is wrong
            raise MissingDataError(f"there is no file '{path}'")
    if kind := TABLES.get(place.suffix.lower()):
        return _table(path, kind, target)
    if place.suffix.lower() in TEXTS:
        return _characters(path)
    raise NothingFoundError(
        f"'{path}' is no folder, and its name says neither table nor text",
        help="give a folder with a folder of images for each class, a .csv or .parquet table, or a .txt",
    )


def _images(path: str) -> Images:
    parts = parts_of(path)
    first = parts.get("all", parts.get("train", ""))
    data, (height, width, grey) = _readable(first)
    classes = data.names or ()
    equal = len(set(height)) == 1 and len(set(width)) == 1
    short = sorted(min(pair) for pair in zip(height, width, strict=True))[len(height) // 2]
    size = (height[0], width[0]) if equal else None
    return Images(parts, classes, len(data), 1 if grey else 3, size, short, len(data.skipped), _least(data))


def _readable(folder: str) -> tuple[ImageFiles, Seen]:
    """The images of a folder and how some of them look; without those that cannot be read, if one such is met."""
    source = ImageFolder(folder=folder)
    source.listed(None)  # raises an error where the folders are no classes
    try:
        data = source.open(None)
        return data, _seen(data)
    except FileError:
        data = source.model_copy(update={"on_error": "skip"}).open(None)
        return data, _seen(data)


def _seen(data: Dataset) -> Seen:
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
    given = {"categories": chosen.categories, "ignore": chosen.left}
    data = _open(kind, **fields, **chosen.fields, **{name: value for name, value in given.items() if value})
    return Table(
        path,
        kind,
        chosen.fields,
        chosen.target,
        chosen.categories,
        chosen.left,
        data.shapes[0][0],
        len(data),
        (data.classes(1) or ()) if chosen.classified else (),
        _least(data) if chosen.classified else len(data),
    )


def _least(data: Dataset) -> int:
    """The number of samples of the smallest class."""
    import numpy as np

    return int(np.bincount(np.asarray(data.labels(1))).min())


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
