"""Fields of a model in words: what may be written, what holds where nothing is, and what it means."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen
from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from netspec.core.counts import Count
from netspec.core.model import Bounds, PathMark, fields_of, listed
from netspec.core.rooms import Room

REQUIRED = "required"
"""The default of a field that must be written."""


class Described(NamedTuple):
    """A field: its name, what may be written, its default as it would be written, and its meaning."""

    name: str
    value: str
    default: str
    meaning: str


def described(cls: type[BaseModel], without: Collection[str] = ()) -> Iterator[Described]:
    """The fields that a class has beyond those of `without`."""
    for name, info in fields_of(cls).items():
        if name not in without and not info.exclude:
            yield Described(name, _words(info.annotation, info.metadata), _default(info), info.description or "")


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return REQUIRED
    value = info.get_default(call_default_factory=True)
    return "" if value is PydanticUndefined or value is None or value == () else _yaml(value)


def _yaml(value: Any) -> str:
    """A default as it would be written."""
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name) for name in type(value).model_fields}
        room = next((room for room in Room.every if isinstance(value, room.base)), None)
        inside = [f"type: {room.word(type(value))}"] if room else []
        inside += [f"{name}: {_yaml(each)}" for name, each in fields.items() if each is not None]
        return "{" + ", ".join(inside) + "}"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple) and not isinstance(value, Count):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    return f"{value:g}" if isinstance(value, float) else str(value)


_PLAIN = {
    int: "whole number",
    float: "number",
    bool: "true or false",
    str: "word",
    Any: "anything",
    Count: "iterations or epochs",
}


def _words(kind: Any, metadata: list[Any]) -> str:
    """The words of an annotation with the metadata of pydantic around it."""
    while get_origin(kind) is Annotated:
        kind, *inner = get_args(kind)
        metadata = [
            *(each for meta in inner for each in (meta.metadata if isinstance(meta, FieldInfo) else [meta])),
            *metadata,
        ]
    functions = [meta.func for meta in metadata if isinstance(meta, BeforeValidator)]
    owners = (getattr(function, "__self__", None) for function in functions)
    room = next((owner for owner in owners if isinstance(owner, Room)), None)
    if room is not None:
        return room.kind
    if any(isinstance(meta, PathMark) for meta in metadata):
        return "path"
    origin, args = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return " or ".join(_words(arg, metadata) for arg in args if arg is not NoneType)
    if origin is Literal:
        return ", ".join(_yaml(arg) for arg in args)
    if origin is tuple:
        return _list(args[0], metadata, listed in functions)
    if origin is dict:
        return f"mapping of {_words(args[0], [])} to {_words(args[1], [])}"
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return "{" + ", ".join(fields_of(kind)) + "}"
    return _PLAIN.get(kind, getattr(kind, "__name__", str(kind))) + _bounds(metadata)


def _list(inner: Any, metadata: list[Any], or_one: bool) -> str:
    """The words of a list of `inner`; with `or_one`, a single value may stand for a list of it."""
    if inner is Any:
        return "list"
    inside = _words(inner, [])
    most = next((meta.max_length for meta in metadata if isinstance(meta, MaxLen)), None)
    few = f"up to {most}" if most else "them"
    return f"{inside}, or a list of {few}" if or_one else f"list of {_plural(inside)}"


def _plural(words: str) -> str:
    return re.sub("^(whole number|number|word|list|path)", r"\1s", words)


def _bounds(metadata: list[Any]) -> str:
    signs = [(Gt, "gt", ">"), (Ge, "ge", "≥"), (Lt, "lt", "<"), (Le, "le", "≤")]
    found = [
        f"{sign} {_bound(getattr(meta, name))}"
        for meta in metadata
        for kind, name, sign in signs
        if isinstance(meta, kind | Bounds) and getattr(meta, name, None) is not None
    ]
    return f" {' and '.join(found)}" if found else ""


def _bound(value: float) -> str:
    return "2^63" if value == 2**63 else f"{value:g}"
