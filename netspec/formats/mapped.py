"""Files in memory as the system maps them: nothing is read before it is looked at, and no file is too large."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netspec.formats import wire
from netspec.formats.files import WrongSizeError, opened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


def mapped(path: Path) -> memoryview:
    """The bytes of a file; arrays over them keep the map alive. Raises MissingDataError, UnreadableDataError."""
    with opened(path) as file:
        if not os.fstat(file.fileno()).st_size:  # a pipe cannot be mapped, nor nothing at all
            return memoryview(file.read())
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def map_message(path: Path, name: str) -> wire.Message:
    """The file at `path` as a message of any size; `name` says what it should be.

    Raises MissingDataError, UnreadableDataError, WrongSizeError.
    """
    data = mapped(path)
    if not len(data):
        raise WrongSizeError(f"'{path}' is empty, and no {name}", help="the copy was cut short: fetch it again")
    return wire.Message(path, name, data)


def release(array: Array) -> None:
    """Give back the memory behind an array that lies in a mapped file, which is read again where it is used again.

    An array that lies elsewhere stays as it is.
    """
    base: Any = array
    while hasattr(base, "base"):
        base = base.base
    owner = base.obj if isinstance(base, memoryview) else None
    if isinstance(owner, mmap.mmap) and hasattr(owner, "madvise"):  # Windows has no such call
        owner.madvise(mmap.MADV_DONTNEED)
