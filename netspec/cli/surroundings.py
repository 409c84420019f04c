"""What a process is started in, made safe for the work: standard output and error in any state, numba's variables.

Standard error carries progress. If it is closed, full, or its reader is gone, the work goes on without it. Standard
output carries the answer: if it cannot be printed, that is an error. Characters that the stream's encoding does not
have are written as ASCII.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from netspec.core.errors import MachineError

_ASCII = dict(zip("▁▂▃▄▅▆▇█─━│…�×·→²", "__.--=*#--|~?x.>2", strict=True))  # noqa: RUF001
"""ASCII for characters of our own, each as wide as what it stands for, so that columns stay straight."""
_OF_NUMBA = {"NUMBA_NUM_THREADS"}
"""The variable of numba that a command obeys; the others change machine code, print, or break kernels."""


class OutputError(MachineError):
    """Standard output takes no more: the disk below it is full, or it is closed."""

    code = "NS528"


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Handles characters that a stream cannot encode: ASCII that looks like them, else a backslash and a number."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = error.object[error.start : error.end]
    return "".join(_ASCII.get(c) or c.encode("ascii", "backslashreplace").decode() for c in found), error.end


codecs.register_error("netspec", _in_ascii)


class _Stream:
    """A text stream that is asked for all that is not told here."""

    def __init__(self, stream: TextIO | io.TextIOBase) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _silence(self) -> None:
        """Let what is left in buffers go nowhere; else Python would try to write it once more when it ends."""
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


class Progress(_Stream):
    """Standard error: what cannot be written is left out."""

    def write(self, text: str) -> int:
        """Write a text, if the stream takes it."""
        with suppress(OSError, ValueError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the stream, if it takes that."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def end(self) -> None:
        """Leave nothing in the buffers."""
        try:
            self._stream.flush()
        except (OSError, ValueError):
            self._silence()


class Answer(_Stream):
    """Standard output: ends the process quietly when the reader is gone; raises OutputError when it takes no more."""

    def write(self, text: str) -> int:
        """Write a text."""
        if text == "":  # how typer asks what kind of stream this is, deaf to the answer
            return 0
        with self._refusals():
            return self._stream.write(text)

    def flush(self) -> None:
        """Flush the stream."""
        with self._refusals():
            self._stream.flush()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._silence()
            sys.exit(141)
        except OSError as error:
            self._silence()
            raise OutputError(
                f"the answer cannot be printed: {error.strerror or error}", help="send standard output elsewhere"
            ) from None


class _Closed(io.TextIOBase):
    """In place of a stream that was closed before the start."""

    encoding = "utf-8"

    def write(self, text: str) -> int:
        raise OSError(errno.EBADF, "it is closed")


@contextmanager
def safe_streams() -> Iterator[None]:
    """While the body runs, standard output and error are as this module says."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:  # else the next file opened would be standard error
        pass
    os.close(descriptor)
    before = sys.stdout, sys.stderr
    for stream in before:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="netspec")
    answer, progress = Answer(sys.stdout or _Closed()), Progress(sys.stderr or _Closed())
    sys.stdout, sys.stderr = cast(TextIO, answer), cast(TextIO, progress)
    try:
        yield
    finally:
        progress.end()
        sys.stdout, sys.stderr = before


def overrule_numba() -> None:
    """Take the variables of numba away from this process and those it starts, but for the number and kind of threads.

    To be called before numba is loaded: it reads them then.
    """
    for name, value in list(os.environ.items()):
        if name.startswith("NUMBA_") and not (value and name in _OF_NUMBA):
            del os.environ[name]
