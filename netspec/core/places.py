"""Places: the text, line and column where a value was written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path


def split_lines(text: str) -> list[str]:
    """The lines of a text as YAML counts them, without their ends."""
    return _BREAK.split(text)


def line_starts(text: str) -> list[int]:
    """Where each line of a text begins, counted in characters from 0."""
    return [0, *(found.end() for found in _BREAK.finditer(text))]


_BREAK = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


COMMAND_LINE = "command line"


@dataclass(frozen=True)
class SourceText:
    """A text that was read: the name to show for it, its lines, and the folder that paths in it start from.

    `caffe` says that it is a prototxt: what it describes behaves as in Caffe. `renamed` has Caffe's names of layers
    that were read under others, as Caffe lets several layers have one name, or none.
    """

    name: str
    text: str = field(repr=False)
    folder: Path = field(default=Path(), repr=False)
    caffe: bool = field(default=False, repr=False)
    renamed: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def _lines(self) -> list[str]:
        return split_lines(self.text)

    def line(self, number: int) -> str:
        """Line `number`, counted from 1, without its end; empty when there is none."""
        return self._lines[number - 1] if 0 < number <= len(self._lines) else ""


@dataclass(frozen=True, slots=True)
class Place:
    """Place of a written value: line and column count from 1; `length` is in characters of that line.

    `via` is the place that brought this text into the spec, and `how` says in which way: a file that names this file
    ("from"), the use of a block ("expanded from"), or the layer that a default was given to ("merged into").
    """

    source: SourceText
    line: int = 0
    column: int = 0
    length: int = 1
    via: Place | None = None
    how: str = "from"

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}" if self.line else self.source.name

    def brought(self, via: Place, how: str) -> Place:
        """A copy of this place that `via` brought into the spec."""
        return Place(self.source, self.line, self.column, self.length, via, how)

    @property
    def chain(self) -> list[Place]:
        """The places that brought this text into the spec, innermost first."""
        return [self.via, *self.via.chain] if self.via else []
