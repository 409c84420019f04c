"""Tokens to nodes: every field of a message under its name, with the place where it was written.

Messages become Mappings, fields that repeat always Sequences, words of enums texts. A float32 becomes its shortest
decimal: 0.1 stays 0.1.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from decimal import Decimal

from netspec.core.errors import Findings, SpecError
from netspec.core.nodes import Mapping, Node, Note, Scalar, Sequence
from netspec.core.places import Place
from netspec.core.spelling import nearest, suggest
from netspec.formats import caffe_messages
from netspec.formats.caffe_messages import Field
from netspec.prototxt.scan import PrototxtTooLargeError, Token, Tokens

MOST_DEPTH = 60


class UnknownFieldError(SpecError):
    """A message of Caffe has no field of this name."""

    code = "NS703"


class FieldValueError(SpecError):
    """A field of Caffe cannot have this value: its type, its range or the word of an enum is another."""

    code = "NS704"


_CLOSING = {"{": "}", "<": ">"}
_TRUE, _FALSE = {"true", "True", "t", "1"}, {"false", "False", "f", "0"}
_ANYTHING = Field("", 0, "")
"""Stands for a field that Caffe does not have: any values."""


class Walk:
    """Reads the fields of a message from tokens; mistakes are collected in `found`.

    When `lenient`, unknown fields and words are kept as they stand, and `notes` tell of them.
    """

    def __init__(self, tokens: Tokens, lenient: bool) -> None:
        self.tokens, self.lenient = tokens, lenient
        self.found = Findings()
        self.notes: list[Note] = []

    def message(self, name: str | None, at: Place, closing: str = "", depth: int = 0) -> Mapping:
        """The fields of a message up to its closing bracket; `name` is None where Caffe has no such message."""
        if depth > MOST_DEPTH:
            raise PrototxtTooLargeError(f"nested more than {MOST_DEPTH} deep", at=at)
        known = caffe_messages.fields(name) if name else {}
        keys: dict[str, Place] = {}
        values: dict[str, list[Node]] = {}
        kinds: dict[str, Field] = {}
        while not self._closed(closing):
            token = self.tokens.token
            if token.kind != "word":
                raise self.tokens.fault("the name of a field" + (f" or '{closing}'" if closing else ""))
            self.tokens.take()
            place = self.tokens.place(token)
            field = known.get(token.text)
            if field is None:
                field = _ANYTHING
                if name:
                    self._unknown(name, token.text, known, place)
            keys.setdefault(token.text, place)
            kinds[token.text] = field
            held = values.setdefault(token.text, [])
            if held and not field.repeated and field is not _ANYTHING:
                self.found.add(
                    FieldValueError(
                        f"'{token.text}' is given twice", at=place, related=[("first here", keys[token.text])]
                    )
                )
            held += self._values(field, place, depth)
            self.tokens.taken(",;")
        items = {key: _joined(kinds[key], nodes, keys[key]) for key, nodes in values.items()}
        return Mapping(items, keys, at)

    def _closed(self, closing: str) -> bool:
        if not closing:
            return self.tokens.token.kind == "end"
        return bool(self.tokens.taken(closing))

    def _unknown(self, message: str, name: str, known: Iterable[str], at: Place) -> None:
        if self.lenient:
            self.notes.append(Note(f"{message} of Caffe has no field '{name}': it was kept as it stands", at))
            return
        near = None if self.found.enough else nearest(name, known)
        help = f"did you mean '{near}'?" if near else _elsewhere(message, name)
        self.found.add(UnknownFieldError(f"Caffe's {message} has no field '{name}'", at=at, help=help))

    def _values(self, field: Field, at: Place, depth: int) -> list[Node]:
        """The values behind a field's name: several where they stand in square brackets."""
        colon = self.tokens.taken(":")
        opening = self.tokens.taken("{<")
        if opening:
            return [self._message(field, at, opening, depth)]
        if not colon:
            raise self.tokens.fault("':' or '{'")
        if self.tokens.taken("["):
            return self._listed(field, at, depth)
        return [self._scalar(field)]

    def _listed(self, field: Field, at: Place, depth: int) -> list[Node]:
        values: list[Node] = []
        while not self.tokens.taken("]"):
            if values and not self.tokens.taken(","):
                raise self.tokens.fault("',' or ']'")
            begin = self.tokens.token
            opening = self.tokens.taken("{<")
            place = self.tokens.place(begin)
            values.append(self._message(field, place, opening, depth) if opening else self._scalar(field))
        if not field.repeated and field is not _ANYTHING:
            self.found.add(FieldValueError(f"'{field.name}' has one value, not a list", at=at))
        return values

    def _message(self, field: Field, at: Place, opening: str, depth: int) -> Mapping:
        if field is not _ANYTHING and not field.is_message:
            self.found.add(FieldValueError(f"'{field.name}' is {_wanted(field)}, not a message", at=at))
        return self.message(field.type if field.is_message else None, at, _CLOSING[opening], depth + 1)

    def _scalar(self, field: Field) -> Scalar:
        token = self.tokens.token
        if token.kind not in ("word", "number", "string"):
            raise self.tokens.fault("a value")
        self.tokens.take()
        text = token.text
        at = self.tokens.place(token)
        if token.kind == "string":
            text = _unquoted(text)
            while self.tokens.token.kind == "string":
                text += _unquoted(self.tokens.take().text)
        value = _value(field, token, text)
        if value is None and not self._kept(field, token, at):
            value = text
        return Scalar(text if value is None else value, at, quoted=token.kind == "string")

    def _kept(self, field: Field, token: Token, at: Place) -> bool:
        """Whether a value that does not fit its field is kept; else its mistake is noted."""
        if field.is_enum and token.kind == "word":
            if self.lenient:
                self.notes.append(Note(f"'{token.text}' is no word of Caffe's '{field.name}': it was kept", at))
                return True
            help = suggest(token.text, [word for word in caffe_messages.words(field.type)])
            self.found.add(FieldValueError(f"'{token.text}' is no {field.type} of Caffe", at=at, help=help))
            return False
        help = _hint(field, token)
        self.found.add(FieldValueError(f"'{field.name}' is {_wanted(field)}, not {token.text[:40]}", at=at, help=help))
        return False


def _joined(field: Field, nodes: list[Node], at: Place) -> Node:
    """The node of a field that was given so often."""
    if field.repeated or not nodes or (field is _ANYTHING and len(nodes) != 1):
        return Sequence(tuple(nodes), nodes[0].at if nodes else at)
    return nodes[0]


def _unquoted(text: str) -> str:
    if "\\" not in text:
        return text[1:-1]
    from google.protobuf import text_encoding

    return str(text_encoding.CUnescape(text[1:-1]).decode("utf-8", errors="replace"))


def _value(field: Field, token: Token, text: str) -> str | int | float | bool | None:
    """The value that a token is in a field; None where the field cannot have it."""
    if field is _ANYTHING:
        return _any(token, text)
    if field.type in ("string", "bytes"):
        return text if token.kind == "string" else None
    if token.kind == "string" or field.is_message:
        return None
    if field.is_enum:
        known = caffe_messages.words(field.type)
        number = _whole(text) if token.kind == "number" else None
        return text if text in known else next((word for word in known if known[word] == number), None)
    if field.type == "bool":
        return text in _TRUE if text in _TRUE or text in _FALSE else None
    if field.range is None:
        decimal = _decimal(text)
        return decimal if decimal is None or field.type == "double" else single(decimal)
    number = _whole(text)
    return number if number is not None and field.range[0] <= number <= field.range[1] else None


def _any(token: Token, text: str) -> str | int | float | bool:
    """A value of a field that nobody knows: a number, true or false, or a word."""
    if token.kind == "number":
        number = _whole(text)
        decimal = _decimal(text) if number is None else number
        return text if decimal is None else decimal
    return text == "true" if token.kind == "word" and text in ("true", "false") else text


def _whole(text: str) -> int | None:
    """A whole number, decimal, octal (010) or hexadecimal (0x10)."""
    digits = "".join(text.split())
    bare = digits.lstrip("-")
    if len(bare) > 40 or not bare[:1].isdigit():
        return None
    base = 16 if bare[:2].lower() == "0x" else 8 if bare[0] == "0" else 10
    try:
        return int(digits, base)
    except ValueError:
        return None


def _decimal(text: str) -> float | None:
    digits = "".join(text.split()).lower()
    if digits[:2] != "0x" and digits.lstrip("-") not in ("inf", "infinity", "nan"):
        digits = digits.rstrip("f")
        if not digits.lstrip("-")[:1].isdigit() and not digits.lstrip("-").startswith("."):
            return None
    try:
        return float(digits)
    except ValueError:
        return None


def single(value: float) -> float:
    """The decimal that stands for the float32 nearest to a value: its own where that is short, else the shortest.

    0.1 stays 0.1, and 0.000244140625, a power of two, stays what it is.
    """
    try:
        held = struct.pack("<f", value)
    except OverflowError:
        return math.copysign(math.inf, value)
    nearest: float = struct.unpack("<f", held)[0]
    if not math.isfinite(nearest) or len(Decimal(nearest).normalize().as_tuple().digits) <= 15:
        return nearest
    shorter = (float(f"{nearest:.{digits}g}") for digits in range(6, 9))
    return next((short for short in shorter if struct.pack("<f", short) == held), float(f"{nearest:.9g}"))


def _elsewhere(message: str, name: str) -> str:
    """Where a field that a message does not have belongs: to another message, to a solver, or to a fork of Caffe."""
    layer = caffe_messages.fields("LayerParameter")
    owners = [key for key, field in layer.items() if field.is_message and name in caffe_messages.fields(field.type)]
    owners = [key for key in owners if key.endswith("_param") and layer[key].type != message and not layer[key].fork]
    if message == "NetParameter" and name in caffe_messages.fields("SolverParameter"):
        return "it belongs to a solver, which names its net"
    if owners:
        named = ", ".join(owners[:_MOST_OWNERS]) + (", ..." if len(owners) > _MOST_OWNERS else "")
        return f"it is a field of {named}"
    return "it belongs to a fork of Caffe: leave it out, or keep it with `netspec import caffe --lenient`"


_MOST_OWNERS = 3


def _wanted(field: Field) -> str:
    """What a field's values are, in words."""
    if field.is_message:
        return "a message in braces"
    if field.is_enum:
        return f"a {field.type}"
    if field.range:
        return "a whole number from 0 on" if field.range[0] == 0 else "a whole number"
    return {"bool": "true or false", "string": "a text in quotes"}.get(field.type, "a number")


def _hint(field: Field, token: Token) -> str | None:
    if field.type == "string" and token.text in caffe_messages.words("V1LayerParameter.LayerType"):
        return 'types without quotes stand in `layers {`, the older form; here they are like "InnerProduct"'
    if field.type == "string":
        return f'write {field.name}: "{token.text}"'
    if token.kind == "string" and field.type == "V1LayerParameter.LayerType":
        return "layers whose types are in quotes are `layer {`, not `layers {`"
    if token.kind == "string" and field.is_enum:
        return "write the word without quotes"
    return None
