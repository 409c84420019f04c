"""Reads a spec file as a Document; errors for files that cannot be read."""

from __future__ import annotations

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


def read(path: Path, via: Place | None = None) -> Document:
    """The document in a file. Raises UnreadableError, SyntaxMistake and the other NS1xx errors, ForeignFileError."""
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
    foreign.refuse(path, raw, name, at)
    if len(raw) > MAX_BYTES:
        raise UnreadableError(
            f"'{name}' is larger than {MAX_BYTES // 2**20} MiB", at=at, help="a spec is a short text file"
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        source = SourceText(name, raw.decode("utf-8", errors="replace"))
        column = len(raw[raw.rfind(b"\n", 0, error.start) + 1 : error.start].decode("utf-8")) + 1
        utf16 = raw[:2] in {b"\xff\xfe", b"\xfe\xff"}
        help = "it seems to be UTF-16: save it as UTF-8" if utf16 else "save the file as UTF-8"
        text, at = f"'{name}' is not UTF-8 text (byte {error.start + 1})", Place(source, line, column)
        raise UnreadableError(text, at=at, help=help) from None
    try:
        return replace(parse(text, name, via), path=path)
    except SpecError:
        if foreign.is_prototxt(text):
            raise foreign.prototxt(text, name, at) from None
        raise


def _neighbours(path: Path) -> str | None:
    if not path.parent.is_dir():
        return f"the folder '{shown(path.parent)}' does not exist"
    try:
        names = [p.name for p in path.parent.iterdir() if p.suffix in {".yaml", ".yml"}]
    except OSError:
        return None
    return suggest(path.name, names) if names else None
