"""A schedule as a chart with the iterations where the rate turns, and as JSON, CSV and Markdown."""

from __future__ import annotations

from math import isfinite
from typing import Any

from netspec.core.errors import UsageError
from netspec.core.shape import counted
from netspec.training.policies.base import POLICIES
from netspec.training.schedule import MOST, Schedule
from netspec.views.charts import line_chart, stacked
from netspec.views.columns import Columns
from netspec.views.tables import View

WIDE, WIDEST, HIGH = 80, 100, 14
"""Columns of the chart where nobody says how wide a line may be, its most columns, and its lines."""
MOST_MARKS = 16
"""Most iterations that are listed below the chart."""
MOST_POINTS = 10_000
"""Most iterations that the chart is drawn from."""


def schedule(one: Schedule, every: int, width: int | None) -> View:
    """The answer of `netspec schedule`; JSON and CSV have every n-th iteration and the last. Raises UsageError."""

    def records() -> list[dict[str, Any]]:
        chosen, last = range(0, one.course.end, every), one.course.end - 1
        if last // every >= MOST:
            text = f"{last // every + 1:,} rows are too many; there may be {MOST:,}"
            raise UsageError(text, help=f"say --every {-(-one.course.end // MOST)}")
        return [_record(one, iteration) for iteration in (*chosen, *([] if last in chosen else [last]))]

    def values() -> dict[str, Any]:
        marks = [{**_record(one, mark.iteration), "what": mark.word} for mark in one.marks]
        head = {"solver": one.job.name, "policy": _policy(one), "iterations": one.course.end}
        return {**head, "notes": _notes(one), "marks": marks, "rates": records()}

    return View(lambda wide: _table(one, wide), values, records, lambda: _plain(one, width or WIDE))


def _record(one: Schedule, iteration: int) -> dict[str, Any]:
    rate = one.rate(iteration)
    return {"iteration": iteration, "epoch": one.epoch(iteration), "rate": rate if isfinite(rate) else None}


def _policy(one: Schedule) -> str:
    spec = one.job.spec
    return POLICIES.word(type(spec.lr_policy)) + (f", {spec.warmup.type} warm-up" if spec.warmup else "")


def _title(one: Schedule) -> str:
    end = one.course.end
    epochs = one.epoch(end)
    length = counted(end, "iteration") + ("" if epochs is None else f" ({epochs:.4g} epochs)")
    return f"{one.job.name}: {_policy(one)}, base_lr {one.course.base_lr:g}, {length}"


def _notes(one: Schedule) -> list[str]:
    long = [] if one.whole else [f"Steps and turns are looked for in trainings of at most {MOST:,} iterations."]
    return [*long, *_notes_on_tests(one)]


def _notes_on_tests(one: Schedule) -> list[str]:
    if not one.by_tests:
        return []
    if one.course.tests:
        return [f"The reductions are those of the {counted(len(one.course.tests), 'test')} that the run recorded."]
    return ["The tests of a training will say when the rate is reduced; this is the rate without any reduction."]


def _table(one: Schedule, width: int | None) -> Columns:
    """The iterations where the rate turns, as a table; of many the first."""
    marks = one.marks
    left = len(marks) - MOST_MARKS
    kept = [*marks[: MOST_MARKS - 1], marks[-1]] if left > 0 else marks
    more = [f"{left} more are left out here: `--format csv` has every iteration."] if left > 0 else []
    epochs = ("epoch",) if one.epoch(0) is not None else ()
    table = Columns(("iteration", *epochs, "rate", "what"), None, range(2 + len(epochs)), [*more, *_notes(one)])
    for mark in kept:
        epoch = one.epoch(mark.iteration)
        rate = f"{one.rate(mark.iteration):.5g}"
        table.add_row(f"{mark.iteration:,}", *([] if epoch is None else [f"{epoch:.2f}"]), rate, mark.word)
    return table.fitted(width, (0, *(1 for _ in epochs), 0, 0)) if width else table


def _plain(one: Schedule, width: int) -> str:
    """The title, the chart and the table in lines of text."""
    step = -(-one.course.end // MOST_POINTS)
    points = [(iteration, one.rate(iteration)) for iteration in range(0, one.course.end, step)]
    chart = line_chart(points, min(width, WIDEST), HIGH if width >= 60 else HIGH - 4)
    return stacked(width, _title(one), chart, _table(one, width))
