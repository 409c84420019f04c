"""Files that grow while a training runs, by lines or by bytes, and lose nothing where the disk refuses for a while."""

from __future__ import annotations

import re
from pathlib import Path

_LOGGED = re.compile(r"^[\d-]{10} [\d:]{8} ", re.MULTILINE)
"""The time before each text of a log."""
_TAIL = 2**16
"""Bytes at the end of a log in which its last text is looked for."""


class Growing:
    """A file that bytes are appended to. What the disk does not take is kept, and written before the next bytes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("ab", buffering=0)
        self._left = b""

    def append(self, data: bytes) -> OSError | None:
        """Append bytes, after those that are left; the disk's refusal, if it refuses."""
        self._left += data
        return self.write()

    def write(self) -> OSError | None:
        """Write what is left; the disk's refusal, if it refuses."""
        try:
            while self._left:
                self._left = self._left[self._file.write(self._left) :]
        except OSError as error:
            return error
        return None

    def close(self) -> None:
        """Close the file; what is left is lost."""
        self._file.close()


class Lines(Growing):
    """A file that lines are appended to."""

    @property
    def left(self) -> int:
        """Number of lines that are not wholly in the file."""
        return self._left.count(b"\n")

    def add(self, line: str) -> OSError | None:
        """Append a line, after those that are left; the disk's refusal, if it refuses."""
        return self.append(line.encode("utf-8", "backslashreplace") + b"\n")


def last_error(log: Path) -> str | None:
    """The error that is the last text of a log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL))
            tail = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    last = _LOGGED.split(tail)[-1].strip()
    return last if last.startswith("error[") else None
