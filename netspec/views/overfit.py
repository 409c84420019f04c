"""What became of a net on a few samples, as text, JSON, CSV and Markdown."""

from __future__ import annotations

from typing import Any

from netspec.core.shape import counted
from netspec.core.visible import visible
from netspec.study.overfit import NEAR, Overfit
from netspec.views.charts import BRAILLE, chart
from netspec.views.columns import Columns
from netspec.views.tables import View

HEIGHT = 12
"""Lines of the curve."""

WIDTH = 80


def overfitted(one: Overfit, width: int | None = None) -> View:
    """The answer of `netspec overfit`."""

    def table(_: int | None) -> Columns:
        table = Columns(("what", "here"), one.name)
        for name, text in _facts(one):
            table.add_row(name, text)
        return table

    def values() -> dict[str, Any]:
        own = {"name": one.name, "fitted": one.course.fitted, "samples": one.samples, "batches": one.batches}
        course = {"rate": one.course.rate, "guess": one.guess, "diverged": one.course.diverged}
        return {**own, **course, "losses": list(one.course.losses), "reason": one.reason}

    def records() -> list[dict[str, Any]]:
        return [{"iteration": number, "loss": loss} for number, loss in enumerate(one.course.losses)]

    return View(table, values, records, lambda: _plain(one, width or WIDTH))


def _facts(one: Overfit) -> list[tuple[str, str]]:
    """The facts in words, a line each."""
    course = one.course
    first = course.losses[0] if course.losses else float("nan")
    end = "not finite" if course.diverged else f"{one.loss:.4g}"
    done = counted(len(course.losses), "iteration")
    verdict = "yes" if course.fitted else "no"
    return [
        ("samples", f"{one.samples:,}, the same in {counted(one.batches, 'batch', 'batches')} again and again"),
        ("left out", "random transforms, noise, decay, averages, a falling rate"),
        ("rate", f"{course.rate:.4g}"),
        ("loss", f"{first:.4g} at first, {end} after {done}; a guess has {one.guess:.4g}"),
        ("learned", f"{verdict}: below {NEAR:.0%} of a guess, {NEAR * one.guess:.3g}, is near enough to 0"),
    ]


def _plain(one: Overfit, width: int) -> str:
    """The curve over the facts."""
    points = [(number, loss) for number, loss in enumerate(one.course.losses) if loss > 0]
    losses = [loss for _, loss in points]
    log = len(points) > 1 and max(losses) > 4 * min(losses)
    curve = chart([(points, BRAILLE)], width, HEIGHT, log_y=log) if len(points) > 1 else ""
    lines = [f"{name:<10}{text}" for name, text in _facts(one)]
    head = f"{visible(one.name)}: loss over iterations"
    return "\n".join([*([head, curve] if curve else []), *lines])
