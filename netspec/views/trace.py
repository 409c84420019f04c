"""The answer of `netspec trace` as lines of arithmetic, JSON, CSV and Markdown.

A line is name = arithmetic = value. Numbers in the arithmetic have four significant digits, the values nine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import groupby
from math import isfinite
from typing import Any, NamedTuple

from netspec.core.snippet import cell_width
from netspec.core.visible import visible
from netspec.core.worked import short
from netspec.study.traced import Group, Line, Trace
from netspec.views.columns import Columns
from netspec.views.tables import View

DIGITS = 9
"""Significant digits of a value."""
_DEEP = " " * 4
"""Indent of a number."""


_CUT = re.compile(r" (?=[=+-] )|(?<=[^=+-]) (?![=+-] )|(?<=[*/,])")
"""Where a line may be broken: before a sign, between numbers, behind a star, a slash or a comma."""


class Section(NamedTuple):
    """Groups of lines under one heading, of an iteration counted from 1; of None where the net stands before any."""

    heading: str
    groups: tuple[Group, ...]
    iteration: int | None
    part: str


def trace(traced: Trace, width: int | None = None) -> View:
    """A line for each number, for a terminal of a width; records hold one number each."""
    return View(
        lambda _: _table(traced), lambda: _values(traced), lambda: [*_records(traced)], lambda: text(traced, width)
    )


def text(traced: Trace, width: int | None) -> str:
    """The trace for a terminal of a width."""
    return "\n".join(line for section in sections(traced) for line in _section(section, width)).strip("\n")


def sections(traced: Trace) -> Iterator[Section]:
    """The parts of a trace in the order in which they are computed."""
    name = visible(traced.net)
    if traced.params:
        yield Section(f"{name}: the params to begin with", traced.params, None, "params")
    for number, iteration in enumerate(traced.iterations, 1):
        prefix = f"iteration {number}: " if len(traced.iterations) > 1 else ""
        for place, batch in enumerate(iteration.batches, 1):
            of = f", batch {place} of {len(iteration.batches)}" if len(iteration.batches) > 1 else ""
            yield Section(f"{prefix}FORWARD{of}", batch.forward, number, "forward")
            yield Section(
                f"{prefix}BACKWARD{of}: d x is the slope of the loss by x", batch.backward, number, "backward"
            )
        if iteration.updates:
            yield Section(f"{prefix}UPDATE by {traced.solver}", iteration.updates, number, "update")


def quiz(traced: Trace, asked: Iterable[Line], width: int | None) -> Iterator[str | Line]:
    """The trace with blanks: the text up to each blank, and the blank's line itself."""
    blanks, text = {id(line) for line in asked}, list[str]()
    for section in sections(traced):
        text += _heading(section, width)
        for group in section.groups:
            text += _title(section, group, width)
            for blank, lines in groupby(group.lines, lambda line: id(line) in blanks):
                if not blank:
                    text += _lines(lines, width)
                    continue
                for line in lines:
                    yield "\n".join(text)
                    yield line
                    text = []
    yield "\n".join(text)


def answered(line: Line, width: int | None, value: str | None = None) -> str:
    """A number in a line of its own, or in several that fit into the width; `value` stands for its value."""
    value = short(line.value, DIGITS) if value is None else value
    return "\n".join(_wrapped(" = ".join(filter(None, (visible(line.label), line.arithmetic, value))), width, _DEEP))


def _section(section: Section, width: int | None) -> Iterator[str]:
    yield from _heading(section, width)
    for group in section.groups:
        yield from _title(section, group, width)
        yield from _lines(group.lines, width)


def _heading(section: Section, width: int | None) -> Iterator[str]:
    yield ""
    yield from _wrapped(section.heading, width, "")


def _title(section: Section, group: Group, width: int | None) -> Iterator[str]:
    """The title of a group; params are known by their names."""
    if section.part != "params":
        yield from _wrapped(visible(group.title), width, "  ")


def _lines(lines: Iterable[Line], width: int | None) -> Iterator[str]:
    """Lines of arithmetic one by one; rows of numbers that are given, or that no arithmetic was needed for, as rows."""
    for (name, row), part in groupby(lines, lambda line: (line.name, line.at[:-1])):
        numbers = [*part]
        if any(line.arithmetic for line in numbers):
            for line in numbers:
                yield answered(line, width)
        else:
            place = f"[{','.join(map(str, row))}]" if row else ""
            values = " ".join(short(line.value, DIGITS) for line in numbers)
            yield from _wrapped(f"{visible(name)}{place} = {values}", width, _DEEP)


def _wrapped(line: str, width: int | None, indent: str) -> Iterator[str]:
    """A line behind an indent, broken where it is too wide; its later lines are indented more."""
    first = indent
    while width is not None and cell_width(indent + line) > width:
        room = max(width - len(indent), 8)
        fitting = max(n for n in range(1, len(line) + 1) if cell_width(line[:n]) <= room or n == 1)
        cut = max((found.start() for found in _CUT.finditer(line[: fitting + 1]) if found.start()), default=fitting)
        yield indent + line[:cut]
        line, indent = line[cut:].lstrip(), first + "    "
    yield indent + line


def _table(traced: Trace) -> Columns:
    """A row for each number."""
    table = Columns(("part", "of", "number", "arithmetic", "value"), visible(traced.net), (4,))
    for section in sections(traced):
        for group in section.groups:
            for line in group.lines:
                table.add_row(section.heading, group.title, line.label, line.words, short(line.value, DIGITS))
    return table


def _values(traced: Trace) -> dict[str, Any]:
    """The trace as plain values; a value that is no number is null."""
    return dict(_plain(asdict(traced)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _records(traced: Trace) -> Iterator[dict[str, Any]]:
    """A record for each number."""
    for section in sections(traced):
        for group in section.groups:
            for line in group.lines:
                index = ",".join(map(str, line.at))
                yield {
                    "iteration": section.iteration,
                    "part": section.part,
                    "of": group.title,
                    "name": line.name,
                    "index": index,
                    "arithmetic": line.words,
                    "value": _plain(line.value),
                }
