"""`extends`: merges a document over its parent, before anything else; every value keeps its place.

The child's values replace the parent's, key by key. Replaced whole: a choice (`{type: X, ...}`), a list, a variable,
and a block that has `layers`. Layers are merged by their names; an entry may edit the parent's layers by
`insert_before`, `insert_after`, `replace` or `remove`. `expect` and `reached` are not inherited.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

from netspec.core import code_files, locate
from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Document, Mapping, Scalar, describe
from netspec.core.places import Place, SourceText
from netspec.core.spelling import nearest, suggest
from netspec.language.edits import merged
from netspec.language.files import UnreadableError, read, read_stdin
from netspec.language.paths import same_file
from netspec.language.words import NET_FIELDS

Shelf = Literal["models", "solvers"]


MAX_PARENTS = 20
"""Maximum length of a chain of files that extend one another."""


class ExtendsError(SpecError):
    """`extends` names no file, or a file that extends this one."""

    code = "NS130"


def open_spec(reference: str, shelf: Shelf, base: Path | None = None, via: Place | None = None) -> Document:
    """The document at a path (relative to `base`) or of a zoo name on `shelf`, merged over its parents.

    Raises UnreadableError, ExtendsError, EditError, MissingCodeError for a run whose code files are not given.
    """
    if reference == "-" and base is None:
        return extended(read_stdin(), shelf)
    path = _file(reference, shelf, base, via)
    if path.name == locate.RUN_CONFIG:
        code_files.ask_for(path.parent)
    return extended(read(path, via), shelf)


def _file(reference: str, shelf: Shelf, base: Path | None, via: Place | None) -> Path:
    """The file at a path or of a zoo name. Raises UnreadableError for a word that is neither."""
    path = locate.find(reference, shelf, base)
    if path is not None:
        return path
    at, named = via or Place(SourceText(reference, "")), locate.names(shelf)
    if (name := locate.zoo_name(reference)) is not None:
        raise UnreadableError(f"the zoo has no {_ONE[shelf]} '{name}'", at=at, help=suggest(name, named))
    there = [path.name for path in locate.specs(base or Path())]
    text = f"there is neither a file '{reference}' nor a {_ONE[shelf]} of that name in the zoo"
    raise UnreadableError(text, at=at, help=suggest(reference, [*named, *there]))


def extended(document: Document, shelf: Shelf, below: tuple[Document, ...] = ()) -> Document:
    """Merge a document over the document it extends, if any. `below` are the files that lead to it by `extends`.

    A zoo name is looked up on the shelf that the document itself belongs on, if that can be seen, else on `shelf`.
    """
    net, node = document.root.items.get("net"), document.root.items.get("extends")
    apart = isinstance(net, Mapping) and "extends" in net.items
    if isinstance(net, Mapping) and apart:
        inner = extended(replace(document, root=net), "models")
        document = replace(document, root=document.root.with_item("net", inner.root, document.root.keys["net"]))
    if node is None:
        return document
    kind = kind_of(document)
    shelf = kind or shelf
    if not isinstance(node, Scalar) or not isinstance(node.value, str):
        raise ExtendsError(
            f"`extends` names one {_ONE[shelf]}, not {describe(node)}", at=node.at, help="like `extends: resnet50.yaml`"
        )
    path = _file(node.value.replace("$$", "$"), shelf, node.at.source.folder, node.at)
    chain = (*below, document)
    if any(one.path is not None and same_file(one.path, path) for one in chain):
        names = " -> ".join([*(one.source.name for one in chain), node.value])
        raise ExtendsError(
            f"a file that extends itself: {names}",
            at=node.at,
            help="a child names its parent, never the other way round",
        )
    if len(chain) > MAX_PARENTS:
        raise ExtendsError(
            f"more than {MAX_PARENTS} parents above one another", at=node.at, help="write the net out: `netspec expand`"
        )
    parent = extended(read(path, node.at), shelf, chain)
    other = kind_of(parent)
    if kind and other and kind != other:
        text = f"'{parent.source.name}' is a {_ONE[other]}, which a {_ONE[kind]} cannot extend"
        raise ExtendsError(text, at=node.at, help="a solver names its net: `net: lenet.yaml`")
    found = Findings()
    above = parent.root.without("expect", "reached", *(["net"] if apart else []))
    root = merged(above, document.root.without("extends"), found)
    found.raise_if_any()
    return replace(document, root=replace(root, at=document.root.at))


_ONE: dict[Shelf, str] = {"models": "net", "solvers": "solver"}


def kind_of(document: Document) -> Shelf | None:
    """The shelf of a document: "models" if it has `layers`, "solvers" if a key that nets lack, else None."""
    keys = document.root.items.keys() - {"extends", "vars"}
    if "layers" in keys or "net" in keys:
        return "models" if "layers" in keys else "solvers"
    return "solvers" if any(nearest(key, NET_FIELDS) is None for key in keys) else None
