"""A prototxt as a Document in netspec's words: read, upgraded, translated."""

from __future__ import annotations

from pathlib import Path

from netspec.core.nodes import Document
from netspec.core.places import Place
from netspec.prototxt.net import net_root
from netspec.prototxt.parse import parse
from netspec.prototxt.solver import solver_root


def document(
    text: str, name: str = "<text>", via: Place | None = None, folder: Path = Path(), lenient: bool = False
) -> Document:
    """The document of a net or a solver of Caffe; its notes say what was upgraded, left out or assumed.

    When `lenient`, fields and layers that Caffe does not have are kept as they stand. Raises what `parse` raises.
    """
    tree = parse(text, name, via, folder, lenient)
    root, notes = net_root(tree.root, lenient) if tree.kind == "net" else solver_root(tree.root)
    return Document(root, tree.source, notes=(*tree.notes, *notes))
