"""Python values to plain values: numbers, words, lists and dicts of exactly Python's own types."""

from __future__ import annotations

import numbers
import os
from collections.abc import Mapping
from typing import Any

from netspec.core.spelling import shown

MAX_DEPTH = 100
MAX_NODES = 200_000


class Plain:
    """Turns values into plain ones, and collects those that have no plain form.

    NumPy's scalars and arrays, tuples and ranges, paths, and subclasses of numbers and words are turned. `bad` holds
    the path, the value and a hint for each other value, in whose place its text stands. `large` is true where values
    are nested more than MAX_DEPTH deep, as a list that holds itself, or are more than MAX_NODES.
    """

    def __init__(self) -> None:
        self.bad: list[tuple[tuple[str | int, ...], Any, str]] = []
        self.large = False
        self._nodes = 0

    def of(self, value: Any, *path: str | int) -> Any:
        """The plain form of the value at a path."""
        self._nodes += 1
        self.large = self.large or self._nodes > MAX_NODES or len(path) > MAX_DEPTH
        if self.large or value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, Mapping):
            pairs = ((self._key(key, path), item) for key, item in value.items())
            return {key: self.of(item, *path, str(key)) for key, item in pairs}
        if isinstance(value, (list, tuple, range)):
            return [self.of(item, *path, index) for index, item in enumerate(value)]
        return self._single(value, path)

    def _single(self, value: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(value, numbers.Integral):
            return int(value)
        if isinstance(value, numbers.Real):
            return float(value)
        if isinstance(value, os.PathLike):
            return os.fsdecode(value)
        if callable(tolist := getattr(value, "tolist", None)) and not isinstance(value, (numbers.Number, memoryview)):
            listed = tolist()
            if type(listed) is not type(value):
                return self.of(listed, *path)
        return self._none(value, path)

    def _key(self, key: Any, path: tuple[str | int, ...]) -> Any:
        if isinstance(key, str):
            return str.__str__(key)
        if key is None or isinstance(key, (bool, int, float)):
            return key
        return self._none(key, path)

    def _none(self, value: Any, path: tuple[str | int, ...]) -> str:
        self.bad.append((path, value, _HINTS.get(type(value), "give numbers, words, lists and dicts")))
        return shown(value)


_UNORDERED = "a set has no order: give a list"
_HINTS: dict[type[Any], str] = {bytes: "decode it", set: _UNORDERED, frozenset: _UNORDERED}
