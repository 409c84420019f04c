"""Files that a user asked for: refused where they would overwrite others, and where the machine cannot write them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from netspec.core.errors import MachineError

DRAWN = "drawn by netspec"
"""What every picture and drawing says somewhere, so that it may be written anew; a PNG names its maker, SOFTWARE."""
SOFTWARE = "netspec"
PAGE = '<meta name="generator" content="netspec">'
"""What every page holds, for the same end."""


class WriteError(MachineError):
    """The disk is full, or the folder may not be written."""

    code = "NS521"


class ExistsError(MachineError):
    """A file would be overwritten that is there already."""

    code = "NS525"


def refuse_existing(path: Path, help: str) -> None:
    """Raise ExistsError where there is anything at a path."""
    if os.path.lexists(path):
        raise ExistsError(f"'{path}' already exists", help=help)


def refuse_foreign(path: Path, mark: bytes, kind: str) -> None:
    """Raise ExistsError where there is anything at a path but an empty file, or one that holds a mark.

    The mark is in all files of a kind that netspec writes: these may be written anew. Raises WriteError.
    """
    with writing(path):
        ours = path.is_file() and (not path.stat().st_size or mark in path.read_bytes())
    if not ours:
        refuse_existing(path, f"it is no {kind} of netspec's: name another file")


def mark(kind: str) -> bytes:
    """What files of a kind hold that netspec drew, by the ending of their names: png, svg, html."""
    return {"png": f"Software\0{SOFTWARE}", "html": PAGE}.get(kind, DRAWN).encode()


def ask_for_folder(path: Path) -> None:
    """Raise WriteError where there is no folder for a file to be written into."""
    if not path.parent.is_dir():
        raise WriteError(f"'{path}' cannot be written: there is no folder '{path.parent}'")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Refusals of the system in the body become a WriteError that names the file."""
    try:
        yield
    except OSError as error:
        raise WriteError(f"'{path}' cannot be written: {error.strerror or error}") from None
