"""LMDB: a database of keys and values in one file, which is never read whole.

Its pages are walked when it is opened: each must be the page that it should be and name only what lies within the file,
for the library ends the process where a page is damaged. Values are then read from where the pages have them. So a
database is only read, without its lock file, and one that another program writes at the same time is refused.
Source: Chu, "Lightning Memory-Mapped Database", mdb.c of version 0.9 on machines of 64 bits, little-endian.
"""

from __future__ import annotations

import os
import struct
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from netspec.core.shape import counted
from netspec.formats.files import MissingDataError, Watched, WrongFormatError, check_size, opened

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Index = NDArray[np.int64]

_FILE = "data.mdb"
_HELP = "Caffe's convert_imageset writes one with `-backend lmdb`"
_DAMAGED = "the file is damaged: fetch it again, or write it anew"

_PAGE = struct.Struct("<QHHHH")
"""The head of a page: its number, padding, flags, and where its free space begins and ends; 16 bytes."""
_META = struct.Struct("<II16x I44x IHHQQQQQ QQ")
"""Behind the head of a page that describes the database: magic, version; size of a page; of the main tree padding,
flags, depth, numbers of branches, leaves and overflow pages, entries, root; and the last page and the transaction."""
_NODE = struct.Struct("<HHHH")
"""The head of an entry: the size of its value in two halves, flags, size of its key; in a branch a page's number."""
_BRANCH, _LEAF, _OVERFLOW, _META_PAGE, _DIRTY = 1, 2, 4, 8, 16
_MAGIC, _VERSION = 0xBEEFC0DE, 1
_BIG, _SUB, _SEVERAL = 1, 2, 4
"""Flags of an entry: its value has pages of its own, it is another tree, its key has several values."""
_SIZES = tuple(2**power for power in range(8, 17))
"""Sizes of a page."""
_DEEP = 32
_EMPTY = 2**64 - 1
"""The root of a tree without entries."""


def open_lmdb(path: Path) -> Database:
    """The database in a folder or file. Raises MissingDataError, UnreadableDataError, WrongFormatError."""
    file = path / _FILE if path.is_dir() else path
    if path.is_dir() and not file.exists():
        leveldb = (path / "CURRENT").exists()
        kind = "it is a LevelDB" if leveldb else f"it has no {_FILE}"
        help = f"convert it to LMDB: {_HELP}" if leveldb else None
        raise (WrongFormatError if leveldb else MissingDataError)(f"'{path}' is no LMDB: {kind}", help=help)
    with opened(file) as handle:
        return Database(file, Watched(file, handle), os.fstat(handle.fileno()).st_size)


class Database:
    """An open database: its keys in their order, and its values by number. Several threads may read."""

    def __init__(self, path: Path, watched: Watched, size: int) -> None:
        import numpy as np

        self.path, self._watched = path, watched
        walk = _Walk(path, watched, size)
        walk.all()
        self._keys, self._page = bytes(walk.keys), walk.page
        self._ends, self._starts, self._sizes = (
            np.array(each, np.int64) for each in (walk.ends, walk.starts, walk.sizes)
        )

    def __len__(self) -> int:
        return len(self._ends)

    def key(self, number: int) -> bytes:
        """The key of a number, counted from 0 in the order of keys."""
        return self._keys[int(self._ends[number - 1]) if number else 0 : int(self._ends[number])]

    def values(self, numbers: Sequence[int]) -> list[bytes]:
        """Copies of the values of some numbers. Raises ChangedDataError, UnreadableDataError, WrongFormatError."""
        self._watched.check()
        found = []
        for number in numbers:
            start, size = int(self._starts[number]), int(self._sizes[number])
            head = _PAGE.size if start % self._page == _PAGE.size else 0  # on pages of its own
            value = bytearray(head + size)
            self._watched.fill(start - head, memoryview(value))
            if head and not self._own(value, start // self._page):
                text = f"the value of its key '{shown(self.key(number))}' is not where it should be, at byte {start:,}"
                raise WrongFormatError(f"'{self.path}' is a damaged LMDB: {text}", help=_DAMAGED)
            found.append(bytes(memoryview(value)[head:]))
        return found

    @staticmethod
    def _own(page: bytearray, number: int) -> bool:
        """Whether a page is that of a value, and has a number."""
        own, _, flags, *_ = _PAGE.unpack_from(page)
        return own == number and bool(flags & _OVERFLOW)


def shown(key: bytes) -> str:
    """A key in messages."""
    return key.decode() if key.isascii() and key.decode().isprintable() else f"0x{key.hex()}"


class _Meta(NamedTuple):
    """What a page says of the database."""

    magic: int
    version: int
    page_size: int
    padding: int
    flags: int
    depth: int
    branches: int
    leaves: int
    overflow: int
    entries: int
    root: int
    last: int
    transaction: int


class _Walk:
    """A walk through all pages of the main tree: the keys in one piece, where each ends, and where its value is."""

    def __init__(self, path: Path, watched: Watched, size: int) -> None:
        self.path, self._watched, self._size = path, watched, size
        self.keys = bytearray()
        self.ends, self.starts, self.sizes = array("q"), array("q"), array("q")
        if not size:
            raise WrongFormatError(f"'{path}' is no LMDB: it is empty", help=_HELP)
        first = self._meta(0)
        second = self._meta(first.page_size)
        self._about = second if second.transaction > first.transaction else first
        self.page = first.page_size

    def _meta(self, place: int) -> _Meta:
        """What the page at a place says of the database. Raises WrongFormatError."""
        if self._size < place + _PAGE.size + _META.size:
            raise WrongFormatError(f"'{self.path}' is no LMDB: it ends after {counted(self._size, 'byte')}", help=_HELP)
        head = bytearray(_PAGE.size + _META.size)
        self._watched.fill(place, memoryview(head))
        flags, found = _PAGE.unpack_from(head)[2], _Meta(*_META.unpack_from(head, _PAGE.size))
        if not flags & _META_PAGE or found.magic != _MAGIC or found.page_size not in _SIZES:
            text = f"'{self.path}' is no LMDB: at byte {place:,} there is no page that describes one"
            raise WrongFormatError(text, help=_HELP)
        if found.version != _VERSION:
            raise WrongFormatError(
                f"'{self.path}' is an LMDB of version {found.version}, and netspec reads {_VERSION}", help=_HELP
            )
        return found

    def all(self) -> None:
        """Walk. Raises WrongFormatError, WrongSizeError."""
        about = self._about
        if about.flags & _SEVERAL:
            raise WrongFormatError(f"'{self.path}' has several values for a key, which no data of Caffe have")
        if about.root == _EMPTY:
            return
        left = min(about.branches + about.leaves, about.last)
        ahead = [(about.root, 1)]
        while ahead:
            number, depth = ahead.pop()
            left -= 1
            if left < 0 or depth > min(about.depth, _DEEP):
                raise self._fault(number, "is reached though all pages have been seen")
            ahead += [(child, depth + 1) for child in reversed(self._read(number))]
        if len(self.ends) != about.entries:
            raise WrongFormatError(
                f"'{self.path}' is a damaged LMDB: it has {len(self.ends):,} records, and says {about.entries:,}",
                help=_DAMAGED,
            )

    def _read(self, number: int) -> list[int]:
        """Take the entries of a leaf; the pages below a branch."""
        self._check_there(number, number, 1, "does not exist")
        page = bytearray(self.page)
        self._watched.fill(number * self.page, memoryview(page))
        own, _, flags, free, end = _PAGE.unpack_from(page)
        if own != number or flags & ~_DIRTY not in (_BRANCH, _LEAF):
            raise self._fault(number, "is no page of keys with this number")
        if free % 2 or not _PAGE.size <= free <= end <= self.page:
            raise self._fault(number, "has entries outside it")
        places = struct.unpack_from(f"<{(free - _PAGE.size) // 2}H", page, _PAGE.size)
        if flags & _BRANCH:
            return [self._child(number, page, place) for place in places]
        for place in places:
            self._take(number, page, place)
        return []

    def _child(self, number: int, page: bytearray, place: int) -> int:
        low, middle, high, _ = self._node(number, page, place)
        return low | middle << 16 | high << 32

    def _node(self, number: int, page: bytearray, place: int) -> tuple[int, int, int, int]:
        """The head of an entry, whose key lies within the page."""
        if _PAGE.size <= place <= self.page - _NODE.size:
            low, high, flags, key = _NODE.unpack_from(page, place)
            if place + _NODE.size + key <= self.page:
                return low, high, flags, key
        raise self._fault(number, f"has an entry outside it, {place:,} bytes on")

    def _take(self, number: int, page: bytearray, place: int) -> None:
        """Take an entry of a leaf."""
        low, high, flags, key = self._node(number, page, place)
        size, begin = low | high << 16, place + _NODE.size
        value = begin + key
        if flags & (_SUB | _SEVERAL):
            raise WrongFormatError(
                f"'{self.path}' holds databases by name or several values for a key, which no data of Caffe have"
            )
        if flags & _BIG:
            start = self._overflow(number, page, value, size)
        elif value + size <= self.page:
            start = number * self.page + value
        else:
            raise self._fault(number, f"has a value of {counted(size, 'byte')} that does not end in it")
        self.keys += page[begin:value]
        self.ends.append(len(self.keys))
        self.starts.append(start)
        self.sizes.append(size)

    def _overflow(self, number: int, page: bytearray, place: int, size: int) -> int:
        """Where a value begins that has pages of its own."""
        if place + 8 > self.page:
            raise self._fault(number, "has an entry outside it")
        first = int.from_bytes(page[place : place + 8], "little")
        pages = -(-(_PAGE.size + size) // self.page)
        self._check_there(
            number,
            first,
            pages,
            f"has a value of {counted(size, 'byte')} on pages that do not exist, from {first:,} on",
        )
        return first * self.page + _PAGE.size

    def _check_there(self, number: int, first: int, pages: int, otherwise: str) -> None:
        """Raise WrongFormatError or WrongSizeError unless pages are there. Free pages at the end may be missing."""
        if first <= 1 or first + pages - 1 > self._about.last:
            raise self._fault(number, otherwise)
        end = (first + pages) * self.page
        if end > self._size:
            check_size(self.path, self._size, end, f"for its pages up to {first + pages - 1:,}")

    def _fault(self, number: int, found: str) -> WrongFormatError:
        where = f"page {number:,}, at byte {number * self.page:,}"
        return WrongFormatError(f"'{self.path}' is a damaged LMDB: {where}, {found}", help=_DAMAGED)
