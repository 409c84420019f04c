"""Rows of figures as a rich table, and as a Markdown table between two markers of benchmarks/README.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.markup import escape
from rich.table import Table

README = Path(__file__).parent / "README.md"


class Column(NamedTuple):
    """A key of the rows, its heading, and how its values are written."""

    key: str
    heading: str
    form: str = ""


def cell(column: Column, row: dict[str, Any]) -> str:
    """A row's value as text; empty where it has none."""
    value = row.get(column.key)
    return "" if value is None else format(value, column.form)


def rich(title: str, columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> Table:
    """The table for a terminal: rows that miss something are red."""
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column.heading, justify="right" if column.form else "left", overflow="fold")
    for row in rows:
        table.add_row(*(escape(cell(column, row)) for column in columns), style="red" if row.get("missed") else None)
    return table


def markdown(columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> str:
    """The table for a page."""
    rule = "".join(f"{'---:' if column.form else '---'}|" for column in columns)
    lines = [
        " | ".join(column.heading for column in columns),
        *(" | ".join(cell(column, row) for column in columns) for row in rows),
    ]
    head, *body = [f"| {line} |" for line in lines]
    return "\n".join([head, f"|{rule}", *body])


def between(text: str, name: str, body: str) -> str:
    """A page with something else between the markers of that name. Raises SystemExit if it has none."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"{README} has no place for this table: {begin} ... {end}")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}\n{body}\n{end}{rest.partition(end)[2]}"


def write(name: str, sentence: str, columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> None:
    """Put the table between the markers of that name, with the machine above it."""
    README.write_text(between(README.read_text(), name, f"{sentence}\n\n{markdown(columns, rows)}"))
