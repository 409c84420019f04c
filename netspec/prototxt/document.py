"""A prototxt as a Document in netspec's words: read, upgraded, translated."""

from __future__ import annotations

from pathlib import Path

from netspec.core.errors import Findings, NetspecError
from netspec.core.nodes import Document
from netspec.core.places import Place
from netspec.prototxt.net import net_root
from netspec.prototxt.parse import parse
from netspec.prototxt.solver import solver_root
from netspec.prototxt.walk import UnknownFieldError


def document(
    text: str, name: str = "<text>", via: Place | None = None, folder: Path = Path(), lenient: bool = False
) -> Document:
    """The document of a net or a solver of Caffe; its notes say what was upgraded, left out or assumed.

    When `lenient`, fields and layers that Caffe does not have are kept as they stand. Raises what `parse` raises.
    """
    try:
        tree = parse(text, name, via, folder, lenient)
    except NetspecError as error:
        if all(isinstance(each, UnknownFieldError) for each in error.errors()):
            _also_lacking(error, text, name, via, folder)
        raise
    root, notes = net_root(tree.root, lenient) if tree.kind == "net" else solver_root(tree.root)
    return Document(root, tree.source, notes=(*tree.notes, *notes))


def _also_lacking(error: NetspecError, text: str, name: str, via: Place | None, folder: Path) -> None:
    """Raise an error for fields of a fork together with those for its layer types, if there are any."""
    found = Findings()
    found.add(error)
    with found.catching():
        tree = parse(text, name, via, folder, lenient=True)
        if tree.kind == "net":
            net_root(tree.root)
    if len(found) > len(error.errors()):
        found.raise_if_any()
