"""HDF5 files: opened for reading, a few at a time, and read by rows; and Caffe's text files that list them."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from netspec.core.locate import expanded, home
from netspec.core.optional import library
from netspec.formats.files import ChangedDataError, MissingDataError, UnreadableDataError, WrongFormatError, opened

_MAGIC = b"\x89HDF\r\n\x1a\n"
_AT_ONCE = 32
"""Files that are kept open."""
_MOST_LISTED = 2**24
"""Bytes of a file that may be a list of files."""
_CHUNKS = 2**24
"""Bytes of unpacked chunks that are kept of a dataset."""


def listed(path: Path) -> list[Path]:
    """The HDF5 file at a path itself, or the files that a text file there lists. Raises FileError."""
    with opened(path) as file:
        text = file.read(len(_MAGIC))
        if text == _MAGIC:
            return [path]
        text += file.read(_MOST_LISTED)
    if b"\0" in text:  # an HDF5 file may begin with a block of the user's own
        return [path]
    try:
        lines = text.decode().splitlines()
    except UnicodeDecodeError:
        return [path]
    named = [line.strip() for line in lines if line.strip()]
    found = [home(path.parent, line) / expanded(line) for line in named]
    if not found:
        raise WrongFormatError(f"'{path}' is neither an HDF5 file nor a list of such files: it is empty")
    for number, one in enumerate(found, 1):
        if not one.exists():
            raise MissingDataError(
                f"'{path}' is no HDF5 file, and as a list of files it names '{one}', which is not there",
                help=f"line {number}; paths are relative to the list, or to the current folder or one above the list",
            )
    return found


def open_file(path: Path) -> Any:
    """The file at a path, open for reading. Raises FileError, NoLibraryError."""
    h5py = library("h5py", "hdf5", "an HDF5 file")
    with opened(path):
        try:
            return h5py.File(path, "r", rdcc_nbytes=_CHUNKS)
        except OSError as error:
            reason = str(error).partition("(")[2].rpartition(")")[0] or str(error)
            raise WrongFormatError(f"'{path}' is no HDF5 file, or a damaged one: {reason}") from None


@contextmanager
def looking(path: Path) -> Iterator[None]:
    """Within it, what the library raises about the groups and heads of a damaged file is a WrongFormatError."""
    try:
        yield
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        reason = str(error).partition("(")[2].rpartition(")")[0] or str(error)
        raise WrongFormatError(f"'{path}' is a damaged HDF5 file: {reason}", help="fetch it again") from None


def check_own(path: Path, dataset: Any) -> None:
    """Raise WrongFormatError where a link leads to a dataset, or it leads to values, outside of two folders.

    These are the folder of the file at `path` and the current one, in both of which HDF5 looks for other files.
    """
    named = [dataset.file.filename] if os.path.realpath(dataset.file.filename) != os.path.realpath(path) else []
    named += [os.fsdecode(name) for name, *_ in dataset.external or ()]
    named += [source.file_name for source in dataset.virtual_sources()] if dataset.is_virtual else []
    folders = [os.path.realpath(folder) for folder in (path.parent, ".")]
    for name in named:
        for place in (path.parent / name, Path(name)):
            if not any(Path(os.path.realpath(place)).is_relative_to(folder) for folder in folders):
                raise WrongFormatError(
                    f"'{dataset.name[1:]}' in '{path}' has its values in '{name}', outside of the folder of the file",
                    help="put the other file beside this one, or name it yourself",
                )


def rows(path: Path, dataset: Any, first: int, end: int) -> Any:
    """The rows first..end-1 of a dataset. Raises UnreadableDataError."""
    try:
        return dataset[first:end]
    except (OSError, RuntimeError) as error:
        raise UnreadableDataError(
            f"rows {first} to {end - 1} of '{dataset.name[1:]}' in '{path}' cannot be read: {error}",
            help="the file is damaged, or packed by a filter that is not installed",
        ) from None


Stamp = tuple[int, int]


def stamp(path: Path) -> Stamp:
    """(bytes, time of the last change) of a file. Raises UnreadableDataError."""
    try:
        found = path.stat()
    except OSError as error:
        raise UnreadableDataError(f"'{path}' cannot be read: {error.strerror or error}") from None
    return found.st_size, found.st_mtime_ns


class Handles:
    """Open files, the latest ones. One thread at a time reads, as h5py has it too."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._files: OrderedDict[Path, Any] = OrderedDict()

    @contextmanager
    def open(self, path: Path, was: Stamp) -> Iterator[Any]:
        """The file at a path, which must be as it was. Raises ChangedDataError, UnreadableDataError."""
        with self._lock:
            if stamp(path) != was:
                text = f"'{path}' was written to while it was in use"
                raise ChangedDataError(text, help="start again with the file as it shall be")
            self._files[path] = self._files.pop(path, None) or open_file(path)
            while len(self._files) > _AT_ONCE:
                self._files.popitem(last=False)[1].close()
            yield self._files[path]

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            while self._files:
                self._files.popitem()[1].close()
