"""Amounts: times and sizes of memory, each a number or a number with a unit."""

from __future__ import annotations

import math
import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_TIME = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?[dhms] ?)+")
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)([dhms])")
_SIZE = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?) ?([KMGT])(i?)B")


def _seconds(value: Any) -> Any:
    """Seconds from what stands in a file: 3600, 8h, 90m, 1h30m."""
    result = value if type(value) in (int, float) else None
    if isinstance(value, str) and _TIME.fullmatch(value):
        result = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    if result is None:
        raise PydanticCustomError("time", "must be a time")
    return as_float(_above_0(result))


def _bytes(value: Any) -> Any:
    """Bytes from what stands in a file: 500000000, 500 MB, 4 GiB."""
    result = value if type(value) is int else None
    if isinstance(value, str) and (found := _SIZE.fullmatch(value)):
        number, prefix, binary = found.groups()
        result = int(float(number) * (1024 if binary else 1000) ** (" KMGT".index(prefix)))
    if result is None:
        raise PydanticCustomError("size", "must be a size")
    return _above_0(result)


def as_float(value: float) -> float:
    """A number as a float; infinity where a whole number is too large for one, which validation then refuses."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _above_0(value: float) -> float:
    if not value > 0:
        raise PydanticKnownError("greater_than", {"gt": 0})
    return value


def _schema(number: str, pattern: str) -> Any:
    return WithJsonSchema({"anyOf": [{"type": number, "exclusiveMinimum": 0}, {"type": "string", "pattern": pattern}]})


Seconds = Annotated[float, BeforeValidator(_seconds), _schema("number", rf"^{_TIME.pattern}$")]
"""A time above 0."""

Bytes = Annotated[int, BeforeValidator(_bytes), _schema("integer", rf"^{_SIZE.pattern}$")]
"""A size of memory above 0."""
