"""Opening data files: one error class for each way in which a file can be unusable."""

from __future__ import annotations

import os
import stat
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from netspec.core.errors import DataError
from netspec.core.places import Place
from netspec.core.shape import counted
from netspec.core.spelling import suggest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


RULE = "paths are relative to the file they are written in"
CAFFES_RULE = "paths begin in the folder of this file, in the current folder, or in one above the file"


class FileError(DataError):
    """Something is wrong with a data file; `field` is the source's field that names it."""

    field: str | None = None

    def at_place(self, place: Place | None) -> Self:
        """A copy with another place; in a prototxt it tells where Caffe's paths begin."""
        help = self.help
        if help and place is not None and place.source.caffe:
            help = help.replace(RULE, CAFFES_RULE)
        return self.changed(at=place, help=help)


class MissingDataError(FileError):
    """A data file or folder is not there."""

    code = "NS601"


class UnreadableDataError(FileError):
    """A directory stands where a file should, or the machine refuses to read it."""

    code = "NS602"


class BrokenGzipError(FileError):
    """A gzip file ends early or does not unpack."""

    code = "NS603"


class WrongSizeError(FileError):
    """A file holds fewer or more bytes than its format or its header says."""

    code = "NS604"


class WrongFormatError(FileError):
    """A file is not of the kind that the source reads."""

    code = "NS605"


class PickledDataError(FileError):
    """A NumPy file holds Python objects, which are programs that reading would run: they are never unpickled."""

    code = "NS606"


class ChangedDataError(FileError):
    """A data file was cut short or written to while it was in use."""

    code = "NS614"


class Watched:
    """A data file that stays open while its data are in use, and must stay as it was when it was opened.

    A file that is renamed, deleted or replaced by another stays readable as it was.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = open(os.dup(file.fileno()), "rb", buffering=0)  # noqa: SIM115 - closed with its owner
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)
        self._stamp = self._now()

    def _now(self) -> tuple[int, int]:
        """(bytes, time of the last change); of a pipe nothing, which is read once."""
        found = os.fstat(self._file.fileno())
        return (found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else (0, 0)

    def _read(self, place: int, into: memoryview) -> int:
        """Read bytes from `place` on into a buffer; how many there were."""
        if hasattr(os, "preadv"):
            return os.preadv(self._file.fileno(), [into], place)
        with self._lock:
            self._file.seek(place)
            return self._file.readinto(into)

    def fill(self, place: int, into: memoryview) -> None:
        """Fill a buffer with the bytes from `place` on. Raises ChangedDataError, UnreadableDataError."""
        try:
            while into and (got := self._read(place, into)):
                place, into = place + got, into[got:]
        except OSError as error:
            raise UnreadableDataError(f"'{self.path}' cannot be read: {error.strerror or error}") from None
        if into:
            self.check()
            raise UnreadableDataError(f"'{self.path}' cannot be read: it ends early")

    def check(self) -> None:
        """Raise ChangedDataError unless the file is as it was."""
        now = self._now()
        if now != self._stamp:
            cut = f"cut from {self._stamp[0]:,} to {now[0]:,} bytes" if now[0] < self._stamp[0] else "written to"
            raise ChangedDataError(
                f"'{self.path}' was {cut} while it was in use",
                help="start again with the file as it shall be; to replace a file in use, write another and rename it",
            )


def stamp(path: Path) -> str:
    """The name of a file's content as far as the system knows it: its path, bytes and times of the last change.

    An archive that is unpacked sets the time that programs may set; the other one is the system's own.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return f"{path}: not there"
    return f"{path}: {found.st_size} bytes at {found.st_mtime_ns} and {found.st_ctime_ns}"


@contextmanager
def about(field: str) -> Iterator[None]:
    """Errors about a file, raised in the body, point at the field that names the file."""
    try:
        yield
    except FileError as error:
        raise error if error.field else error.changed(field=field) from None


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """The file at `path`, open for reading. Raises MissingDataError, UnreadableDataError."""
    try:
        if path.is_dir():
            raise UnreadableDataError(f"'{path}' is a directory, not a file", help="name a file inside it")
        if "\0" in str(path):
            raise UnreadableDataError(f"{str(path)!r} is no file name: it holds a null character")
        with path.open("rb") as file:
            yield file
    except (FileNotFoundError, NotADirectoryError):
        raise MissingDataError(f"there is no file '{path}'", help=neighbour(path)) from None
    except OSError as error:
        raise UnreadableDataError(f"'{path}' cannot be read: {error.strerror or error}") from None


def content(path: Path) -> bytes:
    """The bytes of a file, unpacked where it is gzipped.

    Raises MissingDataError, UnreadableDataError, BrokenGzipError.
    """
    import gzip
    import zlib

    with opened(path) as file:
        held = file.read()
    if path.suffix == ".gz":
        try:
            held = gzip.decompress(held)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise BrokenGzipError(f"'{path}' cannot be unpacked: {error}") from None
    return held


def neighbour(path: Path) -> str:
    """Help about a file or folder that is not there: a name like it beside it, or where paths begin."""
    if os.path.islink(path):
        return "it is a link to what is not there"
    try:
        return suggest(path.name, os.listdir(path.parent)) or RULE
    except OSError:
        return f"there is no folder '{path.parent}' either; {RULE}"


def first_of(folder: Path, names: Sequence[str], help: str) -> Path:
    """The first of `names` that exists in `folder`. Raises MissingDataError, saying what was looked for."""
    if not os.path.exists(folder):
        raise MissingDataError(f"there is no folder '{folder}'", help=help)
    if not os.path.isdir(folder):
        raise UnreadableDataError(f"'{folder}' is not a folder", help="name the folder that holds the files")
    found = next((folder / name for name in names if os.path.exists(folder / name)), None)
    if found is None:
        raise MissingDataError(f"the folder '{folder}' holds no {' or '.join(names)}", help=help)
    return found


def check_size(path: Path, held: int, wanted: int, reason: str) -> None:
    """Raise WrongSizeError unless the file holds the bytes that `reason` asks for."""
    if held != wanted:
        much = f"ends after {held:,}" if held < wanted else "goes on"
        help = "the copy was cut short: fetch it again" if held < wanted else "is it really this kind of file?"
        raise WrongSizeError(f"'{path}' should hold {counted(wanted, 'byte')} {reason}, but it {much}", help=help)
