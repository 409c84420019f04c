"""Layers of another program as YAML that a person would have written: defaults and the usual wiring are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

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
    lines = [*_comments(notes, ""), *(f"{key}: {flow(value)}" for key, value in head.items()), "layers:"]
    for layer in tidy(layers):
        lines += _comments(layer.notes, "  ")
        lines += _entry(layer.fields)
    return "\n".join(lines) + "\n"


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
        if LAYERS.get(str(layer.fields["type"])).tops.most != 0:
            above = layer.fields
    return result


def _kept(fields: Mapping[str, Any], above: Mapping[str, Any] | None) -> Iterator[tuple[str, Any]]:
    """The fields that have to be written, behind a layer `above`."""
    layer = layer_of(fields)
    cls = type(layer)
    for key, value in fields.items():
        if key == "bottom":
            if above is None or _names(value) != _given(above):
                yield key, _single(value)
        elif key == "top":
            own = [fields["name"]] if cls.tops.most != 0 else []
            if cls.tops.least > 1 or _names(value) != own:
                yield key, _single(value)
        elif key in ("name", "type") or not _is_default(layer, key):
            yield key, value


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
    return bool(getattr(layer, key) == info.get_default(call_default_factory=True))


def _entry(fields: Mapping[str, Any]) -> list[str]:
    """The lines of one layer."""
    line = f"  - {flow(dict(fields))}"
    if len(line) <= WIDTH:
        return [line]
    rows = [f"{key}: {flow(value)}" for key, value in fields.items()]
    return [f"{'    ' if number else '  - '}{row}" for number, row in enumerate(rows)]


def _comments(notes: Iterable[str], indent: str) -> Iterator[str]:
    for note in notes:
        for line in note.splitlines():
            yield f"{indent}# {line}".rstrip()
