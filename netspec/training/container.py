"""Files that are written whole or not at all, and safetensors files: arrays by label, and a text of netspec's own.

A file is complete or absent: it is written to a temporary file, flushed to the disk, and renamed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.core.errors import DivergedError, SnapshotError
from netspec.core.outputs import WriteError
from netspec.core.spelling import suggest
from netspec.formats.mapped import release
from netspec.language.foreign import weights_of

if TYPE_CHECKING:
    from netspec.core.calls import Array

FLOATS = {"F16": "float16", "F32": "float32", "F64": "float64"}
"""Types of numbers that weights may have, by safetensors's words."""
_KEY = "netspec"
_SUFFIXES = (".caffemodel", ".solverstate", ".h5")
"""Suffixes of Caffe's files of weights and states, which are looked for where one is not there."""
_PIECE = 2**20
"""Numbers that are looked at at a time."""
_MOST = 90_000_000
"""Most bytes of netspec's text: safetensors reads no header above 100 MB, and lists the arrays there too."""


class MissingSnapshotError(SnapshotError):
    """The snapshot file does not exist."""

    code = "NS511"


class UnreadableSnapshotError(SnapshotError):
    """The file is not a snapshot, is damaged, or has a format that this version does not read."""

    code = "NS512"


class NotFiniteError(DivergedError):
    """A weight is NaN or infinite: no snapshot may hold it."""

    code = "NS503"


@dataclass(frozen=True)
class Contents:
    """The contents of a safetensors file.

    `arrays` are its arrays of floats by label; `others` are the labels of all other arrays, each with the word for its
    type of numbers. `about` is netspec's text, None in a file of another program.
    """

    arrays: dict[str, Array]
    others: dict[str, str]
    about: str | None


def write_arrays(path: Path, arrays: Mapping[str, Array], about: str) -> None:
    """Write arrays by label, whole or not at all. Raises NotFiniteError, WriteError."""
    import numpy as np
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    check_finite(arrays)
    if len(about.encode()) > _MOST:
        raise WriteError(f"'{path}' cannot be written: the description of its net is larger than 90 MB")
    with replacing(path) as temporary:
        try:
            save_file(
                {label: np.asarray(array, order="C") for label, array in arrays.items()}, temporary, {_KEY: about}
            )
        except SafetensorError as error:
            raise WriteError(f"'{path}' cannot be written: {error}") from None


def check_finite(arrays: Mapping[str, Array]) -> None:
    """Raise NotFiniteError unless all numbers of all arrays are finite."""
    for label, array in arrays.items():
        if not finite(array):
            raise NotFiniteError(
                f"'{label}' is not finite, so no snapshot was written", help="lower base_lr, or set clip_gradients"
            )


def finite(array: Array) -> bool:
    """Whether all numbers of an array are finite. It is looked at in pieces, and of a mapped file none stays behind."""
    import numpy as np

    flat = array.reshape(-1)
    found = all(np.isfinite(flat[first : first + _PIECE]).all() for first in range(0, flat.size, _PIECE))
    release(array)
    return found


def read_arrays(path: Path) -> Contents:
    """Read a safetensors file. Raises MissingSnapshotError, UnreadableSnapshotError."""
    from safetensors import SafetensorError, safe_open

    check_there(path)
    try:
        with safe_open(path, framework="numpy") as file:
            types = {label: file.get_slice(label).get_dtype() for label in file.keys()}  # noqa: SIM118 - not a dict
            arrays = {label: file.get_tensor(label) for label, word in types.items() if word in FLOATS}
            about = (file.metadata() or {}).get(_KEY)
    except (SafetensorError, OSError, ValueError, OverflowError) as error:
        help = "; ".join(filter(None, (weights_of(path), "snapshots are safetensors files")))
        raise UnreadableSnapshotError(f"'{path}' is not a snapshot: {error}", help=help) from None
    return Contents(arrays, {label: word for label, word in types.items() if word not in FLOATS}, about)


def check_there(path: Path) -> None:
    """Raise MissingSnapshotError unless there is a file at a path."""
    if path.is_dir():
        raise MissingSnapshotError(f"'{path}' is a folder, not a snapshot", help="name a .safetensors file in it")
    if not path.is_file():
        suffix = path.suffix if path.suffix in _SUFFIXES else ".safetensors"
        there = [p.name for p in path.parent.glob(f"*{suffix}")] if path.parent.is_dir() else []
        raise MissingSnapshotError(f"there is no snapshot '{path}'", help=suggest(path.name, there) if there else None)


def write_whole(path: Path, content: bytes | Iterable[bytes | memoryview]) -> None:
    """Replace a file's content, given at once or in pieces. Raises WriteError."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.writelines([content] if isinstance(content, bytes) else content)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The path of a temporary file to write in the body, which then takes the place of the file at `path`.

    The old content stays until the new is safely on the disk. Raises WriteError.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if hasattr(os, "O_DIRECTORY"):  # Windows opens no folders, and flushes a file's name with it
            folder = os.open(path.parent, os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


@contextmanager
def _refusals(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteError(
            f"'{path}' cannot be written: {error.strerror or error}", help="free some space, or choose another --output"
        ) from None
