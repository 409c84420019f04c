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


SPEEDS = (
    Column("netspec", "netspec ms", ",.2f"),
    Column("eager", "torch ms", ",.2f"),
    Column("channels_last", "its ch. last", ",.2f"),
    Column("images", "images/s", ",.0f"),
    Column("over_eager", "x torch", ".2f"),
    Column("over_channels_last", "x ch. last", ".2f"),
    Column("over_best", "x faster", ".2f"),
    Column("over_best_fastest", "by minima", ".2f"),
    Column("gflops", "GFLOP/s", ".0f"),
    Column("share", "of peak", ".0%"),
    Column("best_gflops", "torch's", ".0f"),
)
"""The columns of clock.figures: medians, their ratios, and ratios of fastest steps, which other load distorts least."""


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


def write(name: str, sentence: str, columns: Sequence[Column], rows: Sequence[dict[str, Any]]) -> None:
    """Put the table between the markers of that name, with the machine above it."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    page = README.read_text()
    if page.count(begin) != 1 or page.count(end) != 1:
        raise SystemExit(f"{README} has no place for this table: {begin} ... {end}")
    before, _, rest = page.partition(begin)
    after = rest.partition(end)[2]
    README.write_text(f"{before}{begin}\n{sentence}\n\n{markdown(columns, rows)}\n{end}{after}")
