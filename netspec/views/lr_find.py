"""Sweeps of learning rates as a chart with the rate that they suggest, and as JSON, CSV and Markdown."""

from __future__ import annotations

from typing import Any

from netspec.core.shape import counted
from netspec.core.spelling import enumerated
from netspec.core.visible import visible
from netspec.study.lr_find import FALL, Search, Sweep
from netspec.views.charts import BRAILLE, chart, stacked
from netspec.views.columns import Columns
from netspec.views.tables import View

WIDE, WIDEST, HIGH = 80, 100, 16
"""Columns of the chart where nobody says how wide a line may be, its most columns, and its lines."""
ABOVE = 0.5
"""How far above the first loss a chart reaches, as a part of how far the loss fell."""


def search(found: Search, width: int | None) -> View:
    """The answer of `netspec lr-find`."""

    def table(_: int | None) -> Columns:
        names, shown = ("seed", "iteration", "rate", "loss", "smoothed"), _title(found.typical)
        table = Columns(names, shown, range(5), [" ".join(_verdict(found))])
        for record in records():
            table.add_row(str(record["seed"]), str(record["iteration"]), *(f"{record[name]:.4g}" for name in names[2:]))
        return table

    def records() -> list[dict[str, Any]]:
        return [{"seed": _seed(one), **point} for one in found.sweeps for point in points(one)]

    def points(one: Sweep) -> list[dict[str, Any]]:
        return [{"iteration": number, **vars(point)} for number, point in enumerate(one.points)]

    def swept(one: Sweep) -> dict[str, Any]:
        head = {"seed": _seed(one), "suggested": one.suggestion}
        return {**head, "why": _reason(one), "diverged": one.diverged, "points": points(one)}

    def values() -> dict[str, Any]:
        job = found.typical.job
        head = {"solver": job.name, "base_lr": job.spec.base_lr, "suggested": found.suggestion}
        return {**head, "why": " ".join(_verdict(found)), "sweeps": [swept(one) for one in found.sweeps]}

    return View(table, values, records, lambda: _plain(found, width or WIDE))


def _seed(one: Sweep) -> int:
    return one.job.spec.random_seed


def _title(one: Sweep) -> str:
    asked = counted(one.steps, "iteration")
    end = f"; ended after {len(one.points)}, with a loss out of hand" if one.diverged else ""
    return f"{visible(one.job.name)}: {asked} at rates from {one.low:g} to {one.high:g}{end}"


def _verdict(found: Search) -> list[str]:
    """The suggested rate and why, or why there is none; and what other sweeps suggest."""
    said, rates = [_reason(found.typical)], [f"{rate:.2g}" for rate in found.rates]
    if len(found.sweeps) > 1:
        silent = len(found.sweeps) - len(rates)
        said.append(
            f"{counted(len(found.sweeps), 'sweep')} from seed {_seed(found.sweeps[0])} on: "
            + enumerated([*rates, *([f"{silent} without a rate"] if silent else [])])
            + ("; the middle one is shown and counts" if found.suggestion else "")
        )
    return said


def _reason(one: Sweep) -> str:
    """The rate that a sweep suggests and why, or why there is none."""
    if one.suggestion is None or one.lowest is None or one.knee is None:
        return f"no rate is suggested: {one.fault}"
    fell = f"its fall from {one.first:.4g} to {one.lowest.smoothed:.4g}"
    limit = "" if one.limit is None else f", and at {one.limit:.2g} it was out of hand"
    why = f"by {one.knee:.2g} the loss had made {100 * FALL:.0f} % of {fell}{limit}"
    why += "; a tenth of that is safe" if one.suggestion < one.knee else ""
    return f"suggested: base_lr={one.suggestion:.2g} (the solver has {one.job.spec.base_lr:g}); {why}"


def _plain(found: Search, width: int) -> str:
    """The title, the chart of the typical sweep and the verdict in lines of text."""
    one = found.typical
    text = _chart(one, min(width, WIDEST), HIGH if width >= 60 else HIGH - 4)
    said = "smoothed loss by learning rate" + ("; the column of dots is the suggested rate" if one.suggestion else "")
    return stacked(width, _title(one), *([text, said] if text else []), *_verdict(found))


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
