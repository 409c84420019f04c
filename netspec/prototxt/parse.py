"""Text to Tree: the fields of a net or a solver of Caffe, in the words of its present version, each with its place.

The walk reads fields, and protobuf's own parser has the last word on whether the text is one. Nets of older versions
are upgraded. Source: Caffe upgrade_proto.cpp, ReadNetParamsFromTextFileOrDie.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from netspec.core.errors import SpecError
from netspec.core.nodes import Mapping, Note
from netspec.core.places import Place, SourceText
from netspec.formats import caffe_messages
from netspec.prototxt.scan import PrototxtSyntaxError, Tokens
from netspec.prototxt.upgrade import upgraded
from netspec.prototxt.walk import Walk

Kind = Literal["net", "solver"]

_MESSAGES: dict[Kind, str] = {"net": "NetParameter", "solver": "SolverParameter"}


class NoCaffeFileError(SpecError):
    """A prototxt is empty, or holds another message than a net or a solver."""

    code = "NS707"


@dataclass(frozen=True)
class Tree:
    """A net or a solver of Caffe: its fields under Caffe's names, and `notes` on what was upgraded or left out.

    Messages are Mappings, repeated fields Sequences, also of a single value; words of enums are texts.
    """

    root: Mapping
    kind: Kind
    source: SourceText
    notes: tuple[Note, ...] = ()


def parse(
    text: str, name: str = "<text>", via: Place | None = None, folder: Path = Path(), lenient: bool = False
) -> Tree:
    """The tree of a prototxt; `name` is shown in errors, and paths in it start from `folder`.

    When `lenient`, fields and layers that Caffe does not have are kept as they stand. Raises PrototxtSyntaxError,
    PrototxtTooLargeError, UnknownFieldError, FieldValueError, NoCaffeFileError, UpgradeError.
    """
    source = SourceText(name, text, folder, caffe=True)
    tokens = Tokens(source, via)
    kind = _kind(tokens)
    walk = Walk(tokens, lenient)
    root = walk.message(_MESSAGES[kind], tokens.place(tokens.all[0]))
    walk.found.raise_if_any()
    if not walk.notes:
        _confirm(tokens, kind)
    notes: list[Note] = list(walk.notes)
    return Tree(upgraded(root, kind, notes, lenient), kind, source, tuple(notes))


def _kind(tokens: Tokens) -> Kind:
    """What a text is, by the names of its outermost fields. Raises NoCaffeFileError."""
    names = _outermost(tokens)
    known = {kind: sum(name in caffe_messages.fields(message) for name in names) for kind, message in _MESSAGES.items()}
    at = Place(tokens.source, via=tokens.via)
    if not any(known.values()):
        if not tokens.all:
            raise NoCaffeFileError(
                f"'{tokens.source.name}' is empty", at=at, help="a net of Caffe has `layer {` blocks"
            )
        raise NoCaffeFileError(
            f"'{tokens.source.name}' is no net or solver of Caffe",
            at=tokens.place(tokens.all[0]),
            help="a net has `layer {` blocks, a solver `net:` and `base_lr:`",
        )
    return "solver" if known["solver"] > known["net"] else "net"


def _outermost(tokens: Tokens) -> list[str]:
    """The names of the fields outside of all brackets."""
    depth, names = 0, []
    for token, behind in zip(tokens.all, tokens.all[1:], strict=False):
        if token.kind == "mark":
            depth += (token.text in "{<[") - (token.text in "}>]")
        elif token.kind == "word" and depth == 0 and behind.text in (":", "{", "<"):
            names.append(token.text)
    return names


def _confirm(tokens: Tokens, kind: Kind) -> None:
    """Let protobuf's parser read the text too, a token a line. Raises PrototxtSyntaxError."""
    from google.protobuf import text_format

    lines = ("".join(token.text.split()) if token.kind == "number" else token.text for token in tokens.all)
    try:
        text_format.Parse("\n".join(lines), caffe_messages.message_class(_MESSAGES[kind])())
    except text_format.ParseError as error:
        line = error.GetLine() or 1
        at = tokens.place(tokens.all[min(line, len(tokens.all)) - 1])
        said = str(error).partition(" : ")[2] or str(error)
        raise PrototxtSyntaxError(f"protobuf does not read this: {said}", at=at) from None
