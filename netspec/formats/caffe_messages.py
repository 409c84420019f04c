"""Caffe's messages: their fields with numbers, types and defaults, and protobuf's descriptors of them.

The fields of well-known forks are among them; `Field.fork` tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

from netspec.formats import caffe_fields, caffe_forks

Value = int | float | bool | str

_PACKAGE = "caffe"
_FIRST_OWN = 100_000
"""The first number for fields and words of forks that have none of their own: above those of all forks."""

_INTEGERS = {"int32": (-(2**31), 2**31 - 1), "int64": (-(2**63), 2**63 - 1), "uint32": (0, 2**32 - 1)}
"""The range of each type of whole numbers."""
_SCALARS = {*_INTEGERS, "float", "double", "bool", "string", "bytes"}


@dataclass(frozen=True)
class Field:
    """A field of a message; its type is a scalar's ("uint32"), or the name of a message or of an enum."""

    name: str
    number: int
    type: str
    repeated: bool = False
    packed: bool = False
    default: Value | None = None
    fork: bool = False

    @property
    def is_message(self) -> bool:
        """Whether its values are messages."""
        return self.type in _messages()

    @property
    def is_enum(self) -> bool:
        """Whether its values are words of an enum."""
        return self.type not in _SCALARS and not self.is_message

    @property
    def range(self) -> tuple[int, int] | None:
        """The smallest and the largest whole number that it takes; None where it takes others."""
        return _INTEGERS.get(self.type)


@cache
def fields(message: str) -> Mapping[str, Field]:
    """The fields of a message by name, those of forks last; empty where there is no such message."""
    own = [_field(line, False, 0) for line in _lines(caffe_fields.FIELDS.get(message, ""))]
    forks = [_field(line, True, place) for place, line in enumerate(_lines(caffe_forks.FIELDS.get(message, "")))]
    return MappingProxyType({field.name: field for field in (*own, *forks)})


@cache
def words(enum: str) -> Mapping[str, int]:
    """The words of an enum with their numbers, those of forks last."""
    lines = _lines("; ".join(table.get(enum, "") for table in (caffe_fields.ENUMS, caffe_forks.ENUMS)))
    lines += _lines(caffe_forks.WORDS.get(enum, ""))
    return MappingProxyType({name: _number(number, place) for place, (name, number) in enumerate(lines)})


@cache
def _messages() -> frozenset[str]:
    """The names of all messages."""
    return frozenset((*caffe_fields.FIELDS, *caffe_forks.FIELDS))


def _lines(table: str) -> list[list[str]]:
    return [line.split() for line in table.split(";") if line.strip()]


def _number(number: str, place: int) -> int:
    return _FIRST_OWN + place if number == "-" else int(number)


def _field(line: list[str], fork: bool, place: int) -> Field:
    name, number, type, *default = line
    scalar = type.rstrip("*+")
    value = _value(scalar, default[0]) if default else None
    return Field(name, _number(number, place), scalar, scalar != type, type.endswith("+"), value, fork)


def _value(type: str, text: str) -> Value:
    if type in _INTEGERS:
        return int(text)
    if type in ("float", "double"):
        return float(text)
    return text == "true" if type == "bool" else text


@cache
def descriptors() -> Any:
    """A descriptor pool of protobuf that holds all messages, in the package `caffe`."""
    from google.protobuf.descriptor_pb2 import FileDescriptorProto
    from google.protobuf.descriptor_pool import DescriptorPool

    file = FileDescriptorProto(name="caffe.proto", package=_PACKAGE, syntax="proto2")
    messages = {name: file.message_type.add(name=name) for name in sorted(_messages())}
    for name, message in messages.items():
        for field in fields(name).values():
            _describe(field, message.field.add())
    for name in sorted({*caffe_fields.ENUMS, *caffe_forks.ENUMS}):
        outer, _, inner = name.rpartition(".")
        enum = messages[outer].enum_type.add(name=inner) if outer else file.enum_type.add(name=inner)
        for word, number in words(name).items():
            enum.value.add(name=word, number=number)
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return pool


def _describe(field: Field, into: Any) -> None:
    """Write a field into protobuf's description of it."""
    into.name, into.number = field.name, field.number
    into.label = into.LABEL_REPEATED if field.repeated else into.LABEL_OPTIONAL
    if field.type in _SCALARS:
        into.type = getattr(into, f"TYPE_{field.type.upper()}")
    else:
        into.type = into.TYPE_MESSAGE if field.is_message else into.TYPE_ENUM
        into.type_name = f".{_PACKAGE}.{field.type}"
    if field.packed:
        into.options.packed = True
    if field.default is not None:
        into.default_value = str(field.default).lower() if isinstance(field.default, bool) else str(field.default)


@cache
def message_class(name: str) -> Any:
    """Protobuf's class of a message: `message_class("NetParameter")()` is an empty net."""
    from google.protobuf.message_factory import GetMessageClass

    return GetMessageClass(descriptors().FindMessageTypeByName(f"{_PACKAGE}.{name}"))
