"""Reads a spec file as a Document; errors for files that cannot be read."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

from netspec.core.errors import SpecError
from netspec.core.locate import shown
from netspec.core.nodes import Document
from netspec.core.places import Place, SourceText
from netspec.core.spelling import suggest
from netspec.language import foreign
from netspec.language.document import parse

MAX_BYTES = 16 * 2**20


class UnreadableError(SpecError):
    """A spec file is missing, not a file, too large, or not text."""

    code = "NS101"


def read(path: Path, via: Place | None = None, lenient: bool = False) -> Document:
    """The document in a file or pipe. Raises UnreadableError, ForeignFileError, and NS1xx and NS7xx errors of the text.

    Paths in it start from its folder; those in a pipe, which lies in none, from the current folder. When `lenient`,
    what Caffe does not have is kept as it stands in a prototxt.
    """
    name = shown(path)
    at = via or Place(SourceText(name, ""))
    try:
        if path.is_dir():
            raise UnreadableError(f"'{name}' is a directory, not a file", at=at, help="name the YAML file inside it")
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise UnreadableError(f"there is no file '{name}'", at=at, help=_neighbours(path)) from None
    except OSError as error:
        raise UnreadableError(f"'{name}' cannot be read: {error.strerror}", at=at) from None
    except ValueError as error:
        raise UnreadableError(f"{name!r} is no file name: {error}", at=at) from None
    lies = path.is_file() and not _DESCRIPTOR.match(str(path))
    foreign.refuse(path, raw, name, at)
    folder = path.parent if lies else Path()
    if path.suffix.lower() in foreign.PROTOTXT:
        document = _prototxt(_text(raw, name, at, errors="replace"), name, via, folder, lenient)
    else:
        document = _parsed(_text(raw, name, at), name, via, folder)
    return replace(document, path=path) if lies else document


_DESCRIPTOR = re.compile(r"/dev/(stdin$|fd/)|/proc/(self|\d+)/fd/")
"""Names of open files, pipes among them, that tell nothing of a folder."""


def read_stdin() -> Document:
    """The document on standard input. Raises what `read` raises."""
    at = Place(SourceText(STDIN, ""))
    try:
        raw = sys.stdin.buffer.read(MAX_BYTES + 1) if sys.stdin is not None else b""
    except OSError as error:
        raise UnreadableError(f"standard input cannot be read: {error.strerror or error}", at=at) from None
    return _parsed(_text(raw, STDIN, at), STDIN)


STDIN = "standard input"


def _parsed(text: str, name: str, via: Place | None = None, folder: Path = Path()) -> Document:
    """The document of a text: in YAML, or in Caffe's text format where layers or a solver are written in that."""
    if foreign.is_solver(text) and not name.endswith((".yaml", ".yml")):
        return _prototxt(text, name, via, folder)
    try:
        return parse(text, name, via, folder)
    except SpecError:
        if foreign.is_prototxt(text):
            return _prototxt(text, name, via, folder)
        raise


def _prototxt(text: str, name: str, via: Place | None, folder: Path, lenient: bool = False) -> Document:
    from netspec.prototxt.document import document  # few nets are written in it

    return document(text, name, via, folder, lenient)


def _text(raw: bytes, name: str, at: Place, errors: str = "strict") -> str:
    """The text in the bytes of a file. Raises UnreadableError if they are too many, or no UTF-8 and that matters."""
    if len(raw) > MAX_BYTES:
        raise UnreadableError(
            f"'{name}' is larger than {MAX_BYTES // 2**20} MiB", at=at, help="a spec is a short text file"
        )
    try:
        return raw.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        source = SourceText(name, raw.decode("utf-8", errors="replace"))
        column = len(raw[raw.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8")) + 1
        utf16 = raw[:2] in {b"\xff\xfe", b"\xfe\xff"}
        help = "it seems to be UTF-16: save it as UTF-8" if utf16 else "save the file as UTF-8"
        text, at = f"'{name}' is not UTF-8 text (byte {error.start + 1})", Place(source, line, column)
        raise UnreadableError(text, at=at, help=help) from None


def _neighbours(path: Path) -> str | None:
    if not path.parent.is_dir():
        return f"the folder '{shown(path.parent)}' does not exist"
    try:
        names = [p.name for p in path.parent.iterdir() if p.suffix in {".yaml", ".yml", *foreign.PROTOTXT}]
    except OSError:
        return None
    return suggest(path.name, names) if names else None
