"""Layers of another program as YAML that a person would have written: defaults and the usual wiring are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from netspec.core.rooms import UnknownWord
from netspec.language.write import flow
from netspec.layers.base import LAYERS, Layer

WIDTH = 100
"""Columns of a layer that stands on a single line; a longer one has a line for each field."""


@dataclass(frozen=True)
class Written:
    """The fields of a layer in netspec's words, in the order to write them, and remarks to stand above it."""

    fields: Mapping[str, Any]
    notes: tuple[str, ...] = ()


def net_text(head: Mapping[str, Any], layers: Sequence[Written], notes: Iterable[str] = ()) -> str:
    """A net as YAML: `notes` as comments on top, then `head` (`name`, `force_backward`, ...), then the layers."""
    lines = [*head_lines(head, notes), "layers:"]
    for layer in tidy(layers):
        lines += comments(layer.notes, "  ")
        lines += entry(layer.fields)
    return "\n".join(lines) + "\n"


def head_lines(head: Mapping[str, Any], notes: Iterable[str] = ()) -> list[str]:
    """The lines above a net's layers."""
    return [*comments(notes), *(f"{key}: {flow(value)}" for key, value in head.items())]


def layer_of(fields: Mapping[str, Any]) -> Layer:
    """The layer that the fields of an entry describe. Raises pydantic's ValidationError."""
    return LAYERS.get(str(fields["type"])).model_validate(_plain({**fields, "type": None}))


def _plain(value: Any) -> Any:
    """A value as a document holds it: lists are tuples, and keys without a value are not there."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def tidy(layers: Iterable[Written]) -> list[Written]:
    """The layers without fields at their defaults, and without bottoms and tops that the language gives by itself."""
    result: list[Written] = []
    above: Mapping[str, Any] | None = None
    for layer in layers:
        result.append(replace(layer, fields=dict(_kept(layer.fields, above))))
        cls = _class(layer.fields)
        if cls is None or cls.tops.most != 0:
            above = layer.fields
    return result


def _kept(fields: Mapping[str, Any], above: Mapping[str, Any] | None) -> Iterator[tuple[str, Any]]:
    """The fields that have to be written, behind a layer `above`."""
    cls = _class(fields)
    try:
        layer = None if cls is None else layer_of(fields)
    except ValidationError:  # a field of a fork, which is kept
        layer = None
    if cls is None or layer is None:
        yield from fields.items()
        return
    for key, value in fields.items():
        value = _whole(value)
        if key == "bottom":
            if above is None or _names(value) != _given(above):
                yield key, _single(value)
        elif key == "top":
            own = [fields["name"]] if cls.tops.most != 0 else []
            if cls.tops.least > 1 or _names(value) != own:
                yield key, _single(value)
        elif key == "param":
            if params := _params(value):
                yield key, params
        elif key in ("name", "type") or not _is_default(layer, key):
            yield key, value


def _class(fields: Mapping[str, Any]) -> type[Layer] | None:
    """The type of a layer; None where netspec has none of its name."""
    try:
        return LAYERS.get(str(fields.get("type", "")))
    except UnknownWord:
        return None


def _whole(value: Any) -> Any:
    """A value as a person writes it: a whole number without a point."""
    if isinstance(value, Mapping):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e9 else value


def _params(value: Any) -> Any:
    """Settings of params without factors of 1, which only a shared param needs to say; nothing where none is left."""
    given = [value] if isinstance(value, Mapping) else list(value)
    kept = [
        one if "name" in one else {key: item for key, item in one.items() if not (key in _FACTORS and item == 1)}
        for one in given
    ]
    while kept and not kept[-1]:
        kept.pop()
    return kept[0] if len(kept) == 1 else kept


_FACTORS = ("lr_mult", "decay_mult")


def _given(above: Mapping[str, Any]) -> list[str]:
    """The bottom of a layer that names none, behind the layer `above`; nothing where a phase may lack that layer."""
    if "include" in above or "exclude" in above:
        return []
    return _names(above.get("top", above["name"]))[:1]


def _names(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _single(value: Any) -> Any:
    names = _names(value)
    return names[0] if len(names) == 1 else names


def _is_default(layer: Layer, key: str) -> bool:
    """Whether a field has the value that it has where it is left out."""
    info = type(layer).model_fields.get(key)
    if info is None or info.is_required():
        return False
    value, default = getattr(layer, key), info.get_default(call_default_factory=True)
    return bool(value == default) or (default == () and key in _SAME and set(value) == {_SAME[key]})


_SAME = {"stride": 1, "dilation": 1, "pad": 0}
"""What lists that are left out mean, for each axis."""


def entry(fields: Mapping[str, Any], indent: int = 2) -> list[str]:
    """The lines of one layer, so far from the left."""
    pad = " " * indent
    line = f"{pad}- {flow(dict(fields))}"
    if len(line) <= WIDTH:
        return [line]
    rows = [f"{key}: {flow(value)}" for key, value in fields.items()]
    return [f"{pad}{'  ' if number else '- '}{row}" for number, row in enumerate(rows)]


def comments(notes: Iterable[str], indent: str = "") -> Iterator[str]:
    """Notes as lines of comments, so far from the left."""
    for note in notes:
        for line in note.splitlines():
            yield f"{indent}# {line}".rstrip()
