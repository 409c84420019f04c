"""Runs as a table, JSON and CSV: a list with what differs between them, runs side by side, and one run."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import Any

from netspec.core.points import Points
from netspec.core.shape import clock, counted
from netspec.training.summary import Score, Summary
from netspec.views.charts import line_chart, stacked
from netspec.views.columns import GAP, Columns
from netspec.views.tables import View

WIDE, WIDEST, HIGH = 80, 100, 10
"""Columns of a chart where nobody says how wide a line may be, its most columns, and its lines."""
LONGEST = 24
"""Most characters of a setting in a table."""

Row = tuple[Summary, Mapping[str, Any]]
"""A run, and its values of the settings in which the runs differ."""

_FIELDS = ("run", "status", "best", "at iter", "last", "iter", "epoch", "time", "net", "started")
_RANKS = (0, 0, 0, 2, 3, 0, 5, 2, 6, 7)
_NUMBERS = range(2, 8)


def record(run: Summary, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A run as one flat row, its settings last: what the CSV has, and what rows are sorted and chosen by."""
    values = asdict(run)
    for name in ("best", "last"):
        score: Score | None = getattr(run, name)
        values |= {
            name: score.value if score else None,
            f"{name}_iteration": score.iteration if score else None,
            f"{name}_epoch": score.epoch if score else None,
        }
    return values | dict(settings)


def runs_view(rows: Sequence[Row]) -> View:
    """A row for each run; columns of settings beside the run's own as far as they fit."""
    return View(lambda width: _list(rows, width), lambda: _values(rows), lambda: _records(rows))


def compared_view(rows: Sequence[Row]) -> View:
    """A column for each run; JSON and CSV have a row for each, as those of a list."""
    return View(lambda width: _side_by_side(rows, width), lambda: _values(rows), lambda: _records(rows))


def _values(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [asdict(run) | {"settings": dict(settings)} for run, settings in rows]


def _records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    return [record(run, {name: cell(value) for name, value in settings.items()}) for run, settings in rows]


def _own(run: Summary) -> tuple[str, ...]:
    """The cells of a run's own columns."""
    best, last = run.best, run.last
    return (
        run.name,
        run.status,
        f"{best.value:.4f}" if best else "-",
        f"{best.iteration}" if best else "-",
        f"{last.value:.4f}" if last else "-",
        f"{run.iteration}",
        "-" if run.epoch is None else f"{run.epoch:.2f}",
        clock(run.seconds),
        run.net,
        run.started[:16].replace("T", " "),
    )


def _list(rows: Sequence[Row], width: int | None) -> Columns:
    names = list(rows[0][1]) if rows else []
    right = (*_NUMBERS, *(len(_FIELDS) + i for i, name in enumerate(names) if _numbers(rows, name)))
    table = Columns((*_FIELDS, *names), right=right, notes=_metrics(rows))
    for run, settings in rows:
        table.add_row(*_own(run), *(_shortened(cell(settings[name])) for name in names))
    if width is not None:
        table = table.fitted(width, (*_RANKS, *[1] * len(names)))
        hidden = len(names) - sum(name in names for name in table.heads)
        table.notes += (f"more        {counted(hidden, 'more setting')}: --format csv",) if hidden else ()
    return table


def _side_by_side(rows: Sequence[Row], width: int | None) -> Columns:
    table = Columns(("", *(run.name for run, _ in rows)), right=range(1, 1 + len(rows)), notes=_metrics(rows))
    for index, name in enumerate(_FIELDS[1:], 1):
        table.add_row(name, *(_own(run)[index] for run, _ in rows))
    widest = max((len(cells[1]) for cells in table.rows), default=0)
    for name in rows[0][1] if rows else ():
        shown = name if width is None else _end(name, width - widest - len(GAP))
        table.add_row(shown, *(_shortened(cell(settings[name])) for _, settings in rows))
    if width is not None:
        table = table.fitted(width, (0, 0, *range(1, len(rows))))
        hidden = len(rows) + 1 - len(table.heads)
        table.notes += (f"more        {counted(hidden, 'run')}: --format csv",) if hidden else ()
    return table


def _metrics(rows: Sequence[Row]) -> tuple[str, ...]:
    """The note on the scores that the runs are judged by."""
    metrics = sorted({f"{run.metric} ({run.mode})" for run, _ in rows if run.metric})
    return (f"best, last  {', '.join(metrics)}",) if metrics else ()


def _numbers(rows: Sequence[Row], name: str) -> bool:
    return all(isinstance(settings[name], int | float | None) for _, settings in rows)


def cell(value: Any) -> str:
    """A setting as text; empty where a run does not have it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _end(name: str, cells: int) -> str:
    """The end of a dotted name, which says most, in so many cells, but no fewer than 8."""
    return name if len(name) <= max(8, cells) else "…" + name[1 - max(8, cells) :]


def _shortened(text: str) -> str:
    shown = text or "-"
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"


def run_view(
    run: Summary,
    tests: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    losses: Points = (),
    width: int | None = None,
) -> View:
    """One run: its summary, its tests, and charts of the displayed losses and of the score that it is judged by.

    CSV has the tests, JSON the settings too.
    """
    names = list(dict.fromkeys(name for test in tests for name in test if name != "elapsed"))
    heads = names or ["iteration"]

    def table(width: int | None) -> Columns:
        shown = Columns(heads, f"{run.name}  {run.status}", range(len(heads)), _about(run))
        for test in tests:
            shown.add_row(*(_number(test.get(name)) for name in heads))
        return shown if width is None else shown.fitted(width, (0, 0, *range(1, len(heads) - 1)))

    return View(
        table,
        lambda: asdict(run) | {"tests": list(tests), "config": dict(settings)},
        lambda: [{name: test.get(name) for name in heads} for test in tests],
        lambda: stacked(width or WIDE, table(width), *_charts(run, tests, losses, width or WIDE)),
    )


def _charts(run: Summary, tests: Sequence[Mapping[str, Any]], losses: Points, width: int) -> Iterator[str]:
    """A chart of the losses and one of the score, each below its name, where there are two points or more."""
    scores = [(test["iteration"], value) for test in tests if (value := test.get(run.metric or "")) is not None]
    for name, points in (("loss", losses), (run.metric or "", scores)):
        if len({x for x, y in points if isfinite(y)}) > 1:
            yield f"\n{name}"
            yield line_chart(points, min(width, WIDEST), HIGH)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4f}"


def _about(run: Summary) -> tuple[str, ...]:
    epochs = "" if run.epoch is None else f", {run.epoch:.2f} epochs"
    lines = [f"trained     {counted(run.iteration, 'iteration')}{epochs} in {clock(run.seconds)}; net '{run.net}'"]
    lines += [f"started     {run.started}"] if run.started else []
    for word, score in (("best", run.best), ("last", run.last)):
        if score is not None:
            epoch = "" if score.epoch is None else f", epoch {score.epoch:.2f}"
            lines.append(f"{word}        {run.metric} {score.value:.4f} at iter {score.iteration}{epoch}")
    return tuple(lines)
