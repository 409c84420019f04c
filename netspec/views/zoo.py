"""The list of the zoo as a table, JSON, CSV and Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from netspec.language.zoo import Entry
from netspec.net.shaped import ShapedGraph
from netspec.training.recipes import Recipe
from netspec.views.columns import Columns
from netspec.views.tables import View
from netspec.views.terminal import short

Row = tuple[Entry, ShapedGraph, Sequence[Recipe]]

NOTES = (
    "data        bundled: `netspec train NAME` runs as it stands; what others need: `netspec zoo show NAME --solver`",
    "reached     test accuracy of the solver as it stands, on the bundled images",
)


def zoo_view(rows: Sequence[Row]) -> View:
    """A row for each net and solver; JSON and CSV have one for each net."""
    return View(
        lambda width: _table(rows, width),
        lambda: [_values(*row) for row in rows],
        lambda: [_record(*row) for row in rows],
    )


def _table(rows: Sequence[Row], width: int | None) -> Columns:
    table = Columns(("net", "params", "MACs", "solver", "data", "reached", "from"), right=(1, 2, 5), notes=NOTES)
    for entry, shaped, recipes in rows:
        solvers = [(one.solver, one.data, _scores(one)) for one in recipes] or [("-", "-", "")]
        for i, solver in enumerate(solvers):
            first = (entry.name, f"{shaped.total_params:,}", short(_macs(shaped))) if i == 0 else ("", "", "")
            table.add_row(*first, *solver, entry.cite if i == 0 else "")
    return table if width is None else table.fitted(width, (0, 1, 2, 0, 0, 0, 3))


def _macs(shaped: ShapedGraph) -> int:
    """MACs an image."""
    return shaped.total_macs // max(1, shaped.batch)


def _scores(one: Recipe) -> str:
    """Accuracies alone, other scores with their names."""
    return ", ".join(
        f"{name} {score:g}" if name != "accuracy" else f"{score:.4f}" for name, score in one.reached.items()
    )


def _values(entry: Entry, shaped: ShapedGraph, recipes: Sequence[Recipe]) -> dict[str, Any]:
    return {
        "name": entry.name,
        "params": shaped.total_params,
        "solvers": entry.solvers,
        "macs": _macs(shaped),
        "recipes": [asdict(one) | {"bundled": one.bundled} for one in recipes],
        "cite": entry.cite,
    }


def _record(entry: Entry, shaped: ShapedGraph, recipes: Sequence[Recipe]) -> dict[str, Any]:
    reached = (f"{one.solver} {name}={score:g}" for one in recipes for name, score in one.reached.items())
    return {
        "name": entry.name,
        "params": shaped.total_params,
        "solvers": " ".join(entry.solvers),
        "macs": _macs(shaped),
        "bundled": " ".join(one.solver for one in recipes if one.bundled),
        "reached": "; ".join(reached),
        "cite": entry.cite,
    }
