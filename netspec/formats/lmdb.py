"""LMDB: a database of keys and values in one file, which is mapped into memory and never read whole.

It is opened for reading, and without its lock file: a database on a disk that cannot be written is read too, and one
that another program writes at the same time is refused. Source: Chu, "Lightning Memory-Mapped Database".
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from netspec.core.optional import library
from netspec.formats.files import (
    ChangedDataError,
    MissingDataError,
    UnreadableDataError,
    Watched,
    WrongFormatError,
    check_size,
    opened,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Index = NDArray[np.int64]

_FILE = "data.mdb"
_HELP = "Caffe's convert_imageset writes one with `-backend lmdb`"
_OPEN: WeakValueDictionary[tuple[int, int], Database] = WeakValueDictionary()
"""The databases that are open, by (device, inode): a process may open a file only once."""
_TURN = threading.Lock()


def open_lmdb(path: Path) -> Database:
    """The database in a folder or file. Raises MissingDataError, UnreadableDataError, WrongFormatError."""
    file = path / _FILE if path.is_dir() else path
    if path.is_dir() and not file.exists():
        leveldb = (path / "CURRENT").exists()
        kind = "it is a LevelDB" if leveldb else f"it has no {_FILE}"
        help = f"convert it to LMDB: {_HELP}" if leveldb else None
        raise (WrongFormatError if leveldb else MissingDataError)(f"'{path}' is no LMDB: {kind}", help=help)
    with opened(file) as handle:
        found, watched = os.fstat(handle.fileno()), Watched(file, handle)
    key = (found.st_dev, found.st_ino)
    with _TURN:
        database = _OPEN.get(key)
        if database is None or database.stale:
            database = Database(file, watched)
            _OPEN[key] = database
        return database


class Database:
    """An open database: its keys in their order, and its values by number. Several threads may read."""

    def __init__(self, path: Path, watched: Watched) -> None:
        self.path, self._watched = path, watched
        held = path.stat().st_size
        if not held:
            raise WrongFormatError(f"'{path}' is no LMDB: it is empty", help=_HELP)
        lmdb = library("lmdb", "lmdb", "an LMDB")
        self._error = lmdb.Error
        try:
            self._database = lmdb.open(
                str(path), subdir=False, readonly=True, lock=False, create=False, readahead=False, max_dbs=0
            )
        except lmdb.Error as error:
            raise _broken(path, error) from None
        pages = (self._database.info()["last_pgno"] + 1) * self._database.stat()["psize"]
        if held < pages:  # a page that is mapped and is not there ends the process
            check_size(path, held, pages, "for the pages that it says it has")
        self._keys, self._ends = self._read_keys()

    def _read_keys(self) -> tuple[bytes, Index]:
        """All keys in one piece, and where each ends (len,)."""
        import numpy as np

        ends, keys = [0], bytearray()
        try:
            with self._database.begin() as turn:
                for key in turn.cursor().iternext(keys=True, values=False):
                    keys += key
                    ends.append(len(keys))
        except self._error as error:
            raise _broken(self.path, error) from None
        return bytes(keys), np.array(ends[1:], np.int64)

    @property
    def stale(self) -> bool:
        """Whether the file is not what it was when it was opened."""
        try:
            self._watched.check()
        except ChangedDataError:
            return True
        return False

    def __len__(self) -> int:
        return len(self._ends)

    def key(self, number: int) -> bytes:
        """The key of a number, counted from 0 in the order of keys."""
        return self._keys[int(self._ends[number - 1]) if number else 0 : int(self._ends[number])]

    def values(self, numbers: Sequence[int]) -> list[bytes]:
        """Copies of the values of some numbers. Raises ChangedDataError, UnreadableDataError, WrongFormatError."""
        self._watched.check()
        try:
            with self._database.begin() as turn:
                found = [turn.get(self.key(number)) for number in numbers]
        except self._error as error:
            raise _broken(self.path, error) from None
        if None in found:
            key = self.key(numbers[found.index(None)])
            raise UnreadableDataError(f"'{self.path}' holds no value of its key '{shown(key)}'")
        return found


def shown(key: bytes) -> str:
    """A key in messages."""
    return key.decode() if key.isascii() and key.decode().isprintable() else f"0x{key.hex()}"


def _broken(path: Path, error: Exception) -> WrongFormatError | UnreadableDataError:
    """The error for what the library says of a file."""
    reason = str(error).rpartition(": ")[2]
    if type(error).__name__ in {"InvalidError", "VersionMismatchError", "CorruptedError", "PageNotFoundError"}:
        return WrongFormatError(f"'{path}' is no LMDB, or a damaged one: {reason}", help=_HELP)
    return UnreadableDataError(f"'{path}' cannot be read: {reason}")
