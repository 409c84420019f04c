"""A sweep of learning rates as a chart with the rate that it suggests, and as JSON, CSV and Markdown."""

from __future__ import annotations

from typing import Any

from netspec.core.shape import counted
from netspec.core.visible import visible
from netspec.study.lr_find import FALL, Sweep
from netspec.views.charts import BRAILLE, chart, stacked
from netspec.views.columns import Columns
from netspec.views.tables import View

WIDE, WIDEST, HIGH = 80, 100, 16
"""Columns of the chart where nobody says how wide a line may be, its most columns, and its lines."""
ABOVE = 0.5
"""How far above the first loss a chart reaches, as a part of how far the loss fell."""


def sweep(one: Sweep, width: int | None) -> View:
    """The answer of `netspec lr-find`."""

    def table(_: int | None) -> Columns:
        table = Columns(("iteration", "rate", "loss", "smoothed"), _title(one), range(4), [_verdict(one)])
        for number, point in enumerate(one.points):
            table.add_row(str(number), *(f"{value:.4g}" for value in (point.rate, point.loss, point.smoothed)))
        return table

    def records() -> list[dict[str, Any]]:
        return [{"iteration": number, **vars(point)} for number, point in enumerate(one.points)]

    def values() -> dict[str, Any]:
        head = {"solver": one.job.name, "base_lr": one.job.spec.base_lr, "suggested": one.suggestion}
        return {**head, "why": _verdict(one), "diverged": one.diverged, "points": records()}

    return View(table, values, records, lambda: _plain(one, width or WIDE))


def _title(one: Sweep) -> str:
    asked = counted(one.steps, "iteration")
    end = f"; ended after {len(one.points)}, with a loss out of hand" if one.diverged else ""
    return f"{visible(one.job.name)}: {asked} at rates from {one.low:g} to {one.high:g}{end}"


def _verdict(one: Sweep) -> str:
    """The suggested rate and why, or why there is none."""
    if one.suggestion is None or one.lowest is None or one.knee is None:
        return f"no rate is suggested: {one.fault}"
    fell = f"its fall from {one.first:.4g} to {one.lowest.smoothed:.4g}"
    limit = "" if one.limit is None else f", and at {one.limit:.2g} it was out of hand"
    why = f"by {one.knee:.2g} the loss had made {100 * FALL:.0f} % of {fell}{limit}"
    why += "; a tenth of that is safe" if one.suggestion < one.knee else ""
    return f"suggested: base_lr={one.suggestion:.2g} (the solver has {one.job.spec.base_lr:g}); {why}"


def _plain(one: Sweep, width: int) -> str:
    """The title, the chart and the verdict in lines of text."""
    text = _chart(one, min(width, WIDEST), HIGH if width >= 60 else HIGH - 4)
    said = "smoothed loss by learning rate" + ("; the column of dots is the suggested rate" if one.suggestion else "")
    return stacked(width, _title(one), *([text, said] if text else []), _verdict(one))


def _chart(one: Sweep, width: int, height: int) -> str:
    if one.lowest is None:
        return ""
    most = one.first + ABOVE * abs(one.first - one.lowest.smoothed)
    points = [(point.rate, point.smoothed) for point in one.points if point.smoothed <= most]
    lines = [(points, BRAILLE)]
    if one.suggestion is not None and points[0][0] < one.suggestion:
        levels = [loss for _, loss in points]
        lines.append(([(one.suggestion, min(levels)), (one.suggestion, max(levels))], ":"))
    return chart(lines, width, height, from_zero=False, log_x=True)


def advice(one: Sweep) -> str:
    """What to try where no rate is suggested."""
    if one.lowest is None:
        return f"begin lower: --from {one.low / 1000:g}; or are the inputs far from 0, or not finite?"
    if one.points[-1].rate < one.high or one.diverged:
        return "more --iterations make the curve clearer; `netspec doctor SOLVER` says what keeps a net from learning"
    return f"say --to {10 * one.high:g}"
