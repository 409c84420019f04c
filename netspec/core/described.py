"""Described: models as plain values, with all defaults and the words of rooms, so that equal meanings compare equal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from netspec.core.counts import Count
from netspec.core.locate import whole
from netspec.core.model import Model, holds_paths
from netspec.core.rooms import Room


def described(value: Any, base: Path | None = None) -> Any:
    """A value as dicts, lists, numbers and words; a member of a room has its word as `type`.

    A list of a single value stands as the value. With the folder that paths are relative to, these are whole.
    """
    if isinstance(value, Model):
        fields = {
            info.alias or name: _of_field(info, getattr(value, name), base)
            for name, info in type(value).model_fields.items()
        }
        room = next((one for one in Room.every if isinstance(value, one.base)), None)
        return {"type": room.word(type(value)), **fields} if room else fields
    if isinstance(value, Count):
        return value.plain()
    if isinstance(value, dict):
        return {key: described(item, base) for key, item in value.items()}
    if isinstance(value, tuple | list):
        items = [described(item, base) for item in value]
        return items[0] if len(items) == 1 else items
    return value


def _of_field(info: FieldInfo, value: Any, base: Path | None) -> Any:
    """The value of a field described, its paths as paths of a folder."""
    if base is not None and holds_paths(info):
        if isinstance(value, str):
            return whole(base, value)
        if isinstance(value, tuple):
            value = tuple(whole(base, item) if isinstance(item, str) else item for item in value)
    return described(value, base)


def in_words(value: Any) -> str:
    """A described value in few words: xavier (variance_norm: FAN_IN); nothing is a dash."""
    if value is None:
        return "-"
    if isinstance(value, dict):
        rest = ", ".join(f"{key}: {in_words(it)}" for key, it in value.items() if key != "type" and it is not None)
        word = str(value.get("type", ""))
        return f"{word} ({rest})" if word and rest else word or rest
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(in_words, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)
