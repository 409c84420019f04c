"""What was found in data, as tables, JSON and CSV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from netspec.core.shape import counted, text
from netspec.core.snippet import folded
from netspec.survey.findings import Finding
from netspec.survey.survey import Survey
from netspec.views.columns import Columns
from netspec.views.tables import View

_MOST = 10
"""Places of a finding that a table names."""

_MOST_COLUMNS = 40
"""Features that a table shows; CSV and JSON have all."""


def findings_view(surveys: Sequence[Survey], found: Sequence[Finding]) -> View:
    """Each finding with the first of its places below it; JSON and CSV have all places."""
    return View(
        lambda width: _findings(surveys, found, width),
        lambda: {
            "samples": {one.name: one.samples for one in surveys},
            "findings": [{"kind": one.kind, "message": one.message, "places": list(one.places)} for one in found],
        },
        lambda: [{"kind": one.kind, "message": one.message, "place": place} for one in found for place in one.places],
    )


def _findings(surveys: Sequence[Survey], found: Sequence[Finding], width: int | None) -> Columns:
    """A line for each finding, and lines for each of its places, which fit into the width where their words do."""
    looked = ", ".join(f"{one.name} {one.samples:,}" for one in surveys)
    table = Columns(
        (counted(len(found), "finding") if found else "nothing was found",), notes=(f"looked at  {looked}",)
    )
    for one in found:
        table.add_row(one.message)
        for place in one.places[:_MOST]:
            for line in folded(f"    {place}", width, " " * 8) if width else [f"    {place}"]:
                table.add_row(line)
        if len(one.places) > _MOST:
            table.add_row(f"    and {len(one.places) - _MOST:,} more: --format csv")
    return table


def survey_view(surveys: Sequence[Survey], names: Sequence[str] | None) -> View:
    """Classes, shapes, and means and deviations of each set."""
    return View(
        lambda width: _stats(surveys, names),
        lambda: [_values(one, names) for one in surveys],
        lambda: [row for one in surveys for row in _records(one, names)],
    )


def _stats(surveys: Sequence[Survey], names: Sequence[str] | None) -> Columns:
    table = Columns(("set", "what", "samples", "share", "mean", "deviation", "least", "most"), right=range(2, 8))
    for one in surveys:
        rows = list(_records(one, names))
        shown = [row for row in rows if row["kind"] != "column"]
        columns = [row for row in rows if row["kind"] == "column"]
        for row in (*shown, *columns[:_MOST_COLUMNS]):
            table.add_row(*_cells(row))
        if len(columns) > _MOST_COLUMNS:
            table.add_row("", f"and {len(columns) - _MOST_COLUMNS:,} more: --format csv", *[""] * 6)
    return table


def _cells(row: dict[str, Any]) -> Iterator[str]:
    yield str(row["set"]) if row["kind"] == "set" else ""
    yield str(row["what"])
    yield "" if row["kind"] == "column" else f"{row['samples']:,}"
    yield "" if row["share"] is None else f"{100 * row['share']:.1f} %"
    for key in ("mean", "deviation", "least", "most"):
        yield "" if row[key] is None else f"{row[key]:.4g}"


def _records(one: Survey, names: Sequence[str] | None) -> Iterator[dict[str, Any]]:
    """A row for the set, each shape, each class, and each channel or feature."""
    yield _row(one, "set", "all samples", one.samples, None)
    for shape, number in one.shapes.items():
        yield _row(one, "shape", text(shape), number, number / one.samples)
    if one.broken:
        yield _row(one, "broken", "cannot be read", len(one.broken), len(one.broken) / one.samples)
    for label, number in one.classes.items():
        name = names[label] if names and 0 <= label < len(names) else f"class {label}"
        yield _row(one, "class", name, number, number / one.samples)
    for place, column in enumerate(one.columns):
        there = column.count > 0
        yield _row(one, "column", one.titles[place], column.count, None) | {
            "mean": column.mean if there else None,
            "deviation": column.deviation if there else None,
            "least": column.least if there else None,
            "most": column.most if there else None,
        }


def _row(one: Survey, kind: str, what: str, samples: int, share: float | None) -> dict[str, Any]:
    empty = dict.fromkeys(("mean", "deviation", "least", "most"))
    return {"set": one.name, "kind": kind, "what": what, "samples": samples, "share": share, **empty}


def _values(one: Survey, names: Sequence[str] | None) -> dict[str, Any]:
    rows = list(_records(one, names))
    return {
        "set": one.name,
        "samples": one.samples,
        "shapes": {text(shape): number for shape, number in one.shapes.items()},
        "classes": {row["what"]: row["samples"] for row in rows if row["kind"] == "class"},
        "columns": [
            {key: row[key] for key in ("what", "samples", "mean", "deviation", "least", "most")}
            for row in rows
            if row["kind"] == "column"
        ],
        "broken": [{"name": name, "reason": reason} for name, reason in one.broken],
    }
