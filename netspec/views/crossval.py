"""The scores of a cross-validation as a table, JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import Any

from netspec.training.crossval import FoldScore
from netspec.views.columns import Columns
from netspec.views.tables import View


def crossval_view(scores: Sequence[FoldScore], folds: int) -> View:
    """A row for each score: the mean and the deviation, and the folds as far as they fit."""
    return View(lambda width: _table(scores, folds, width), lambda: _values(scores, folds), lambda: _records(scores))


def _table(scores: Sequence[FoldScore], folds: int, width: int | None) -> Columns:
    heads = ("score", "mean", "deviation", *(f"fold {fold}" for fold in range(folds)))
    table = Columns(heads, right=range(1, len(heads)))
    for score in scores:
        numbers = (score.mean, score.deviation, *score.values)
        table.add_row(score.name, *("-" if isnan(number) else f"{number:.4f}" for number in numbers))
    return table if width is None else table.fitted(width, (0, 0, 0, *range(1, folds + 1)))


def _values(scores: Sequence[FoldScore], folds: int) -> dict[str, Any]:
    said = {score.name: {"mean": score.mean, "deviation": _number(score), "folds": score.values} for score in scores}
    return {"folds": folds, "scores": said}


def _records(scores: Sequence[FoldScore]) -> list[dict[str, Any]]:
    return [
        {"score": score.name, "mean": score.mean, "deviation": _number(score)}
        | {f"fold_{fold}": value for fold, value in enumerate(score.values)}
        for score in scores
    ]


def _number(score: FoldScore) -> float | None:
    return None if isnan(score.deviation) else score.deviation
