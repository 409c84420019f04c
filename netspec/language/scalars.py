"""Plain scalars to values by the YAML 1.2 core schema: `1e-3` is a number, `no` is a word, `010` is ten."""

from __future__ import annotations

import re

_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMERIC = frozenset("0123456789+-.")
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INF = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_NAN = re.compile(r"\.(nan|NaN|NAN)")


def means_other(text: str) -> bool:
    """Whether a plain scalar of this text would be read as something other than a word."""
    return text in _WORDS or any(kind.fullmatch(text) for kind in (_INT, _BASED, _FLOAT, _INF, _NAN))


def is_whole(text: str) -> bool:
    """Whether a plain scalar of this text is a whole number."""
    return bool(_INT.fullmatch(text) or _BASED.fullmatch(text))


def resolve(text: str) -> str | int | float | bool | None:
    """The value of a plain scalar in the YAML 1.2 core schema; a word is itself."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if infinite := _INF.fullmatch(text):
        return float(infinite[1] + "inf")
    return float("nan") if _NAN.fullmatch(text) else text
