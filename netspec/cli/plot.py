"""`netspec plot`: the curves of trainings as a picture, or in characters."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from netspec.cli import complete
from netspec.cli.base import answer, output_file, width
from netspec.cli.help import TRUST

PANEL = TRUST
EXAMPLE = "netspec plot lenet-1 lenet-2 -o curves.png"


class Along(StrEnum):
    """What the x axis counts."""

    iteration = "iteration"
    epoch = "epoch"
    time = "time"


class Log(StrEnum):
    """Which axes are logarithmic."""

    x = "x"
    y = "y"
    xy = "xy"


Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...",
        help="Run folders, or names; the folder of a cross-validation stands for its folds.",
        autocompletion=complete.runs,
    ),
]
Output = Annotated[
    Path | None,
    output_file("Picture: .png, .svg or .pdf; left out: curves.png in the run folder, or here for several runs."),
]
Smooth = Annotated[int, typer.Option("--smooth", metavar="N", min=1, max=100_000, help="Mean of N values around each.")]
Only = Annotated[
    list[str] | None,
    typer.Option(
        "--only",
        metavar="NAME",
        help="Panel (loss, scores, rate, gradient, updates, dead), score or series; may be said more than once.",
        autocompletion=complete.curves,
    ),
]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help="Score whose best test is marked; left out: the training's.",
        autocompletion=complete.metrics,
    ),
]


def command(
    runs: Runs,
    output: Output = None,
    text: Annotated[bool, typer.Option("--text", help="Print the curves in characters instead.")] = False,
    x: Annotated[Along, typer.Option("--x", help="What the x axis counts.")] = Along.iteration,
    log: Annotated[Log | None, typer.Option("--log", help="Logarithmic axes.")] = None,
    smooth: Smooth = 1,
    only: Only = None,
    metric: Metric = None,
) -> None:
    """Draw loss, scores, rate, gradient norm, update ratios and dead units of trainings over one another."""
    from netspec.study.curves import Wish, curves
    from netspec.training.crossval import named_runs
    from netspec.training.folders import named
    from netspec.training.runs import read

    records = [read(path) for path in named_runs(runs)]
    words: Any = {"along": x.value, "log": log.value if log else ""}
    wish = Wish(only=tuple(only or ()), metric=metric, smooth=smooth, **words)
    if text:
        from netspec.core.errors import UsageError
        from netspec.views.curves import curves_text

        if output:
            raise UsageError("`--text` prints the curves, and `-o` draws them into a file", help="leave one out")
        answer(curves_text(curves(records, wish), width(sys.stdout)))
        return
    from netspec.pictures.curves import CURVES, plot_curves

    places = set(map(named, runs))
    file = output or (places.pop() if len(places) == 1 else Path()) / CURVES
    plot_curves(file, records, wish)
    answer(str(file))
