"""The scores of simple models as a table, JSON and CSV."""

from __future__ import annotations

from dataclasses import asdict
from math import isnan
from typing import Any

from netspec.core.shape import counted
from netspec.training.baseline import Baseline
from netspec.views.columns import Columns
from netspec.views.tables import View


def baseline_view(found: Baseline) -> View:
    """A row for each model, with its scores."""
    return View(lambda _: _table(found), lambda: _values(found), lambda: _records(found))


def _table(found: Baseline) -> Columns:
    names = list(found.rows[0].scores)
    fitted = counted(found.train, "training sample")
    fitted = f"{found.used:,} of {fitted}" if found.used < found.train else fitted
    notes = (
        f"fitted to {fitted} of {counted(found.features, 'feature')}",
        f"tested on '{found.on}', {counted(found.test, 'sample')}",
    )
    heads = ("model", *(name.replace("_", " ") for name in names), "seconds")
    table = Columns(heads, right=range(1, len(heads)), notes=notes)
    for row in found.rows:
        scores = (
            "-" if isnan(value) else f"{value:.6g}" if abs(value) >= 10 else f"{value:.4f}"
            for value in row.scores.values()
        )
        table.add_row(row.model, *scores, f"{row.seconds:.1f}")
    return table


def _values(found: Baseline) -> dict[str, Any]:
    models = {row.model: {**_plain(row.scores), "seconds": row.seconds} for row in found.rows}
    return {name: value for name, value in asdict(found).items() if name != "rows"} | {"models": models}


def _records(found: Baseline) -> list[dict[str, Any]]:
    return [{"model": row.model, **_plain(row.scores), "seconds": row.seconds} for row in found.rows]


def _plain(scores: dict[str, float]) -> dict[str, float | None]:
    return {name: None if isnan(value) else value for name, value in scores.items()}
