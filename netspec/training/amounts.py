"""Amounts: times and sizes of memory, each a number or a number with a unit."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

from netspec.core.model import wrong

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_TIME = re.compile(r"(?:\d{1,9}(?:\.\d{1,9})?[dhms] ?)+")
_PART = re.compile(r"(\d+(?:\.\d+)?)([dhms])")
_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,9})?) ?([KMGT])(i?)B")


def _seconds(value: Any) -> Any:
    """Seconds from what stands in a file: 3600, 8h, 90m, 1h30m."""
    result = float(value) if type(value) in (int, float) else None
    if isinstance(value, str) and _TIME.fullmatch(value):
        result = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    if result is None:
        raise wrong("must be a time, like 8h, 90m, 1h30m, or seconds")
    if not 0 < result < 1e12:
        raise wrong("must be a time above 0")
    return result


def _bytes(value: Any) -> Any:
    """Bytes from what stands in a file: 500000000, 500 MB, 4 GiB."""
    result = value if type(value) is int else None
    if isinstance(value, str) and (found := _SIZE.fullmatch(value)):
        number, prefix, binary = found.groups()
        result = int(float(number) * (1024 if binary else 1000) ** (" KMGT".index(prefix)))
    if result is None:
        raise wrong("must be a size, like 4 GiB, 500 MB, or bytes")
    if not 0 < result < 2**62:
        raise wrong("must be a size above 0")
    return result


def _schema(number: str, pattern: str) -> Any:
    return WithJsonSchema({"anyOf": [{"type": number, "exclusiveMinimum": 0}, {"type": "string", "pattern": pattern}]})


Seconds = Annotated[float, BeforeValidator(_seconds), _schema("number", rf"^{_TIME.pattern}$")]
"""A time above 0."""

Bytes = Annotated[int, BeforeValidator(_bytes), _schema("integer", rf"^{_SIZE.pattern}$")]
"""A size of memory above 0."""
