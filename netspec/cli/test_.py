"""`netspec test`: run the TEST net of a solver over its test data. (The file's underscore keeps test runners away.)"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli import complete
from netspec.cli.base import (
    Code,
    Level,
    SolverFile,
    SolverOverrides,
    Stages,
    TableFormat,
    Threads,
    answer,
    asked_state,
    err,
    out,
    told_of_compiling,
)
from netspec.cli.help import TRAINING
from netspec.core.locate import exists, expanded

if TYPE_CHECKING:
    from netspec.core.calls import Array

PANEL = TRAINING
EXAMPLE = "netspec test runs/lenet-1"

Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        parser=expanded,
        help="Snapshot to test, or a run folder: its latest; left out: the latest of SOLVER, a run folder.",
    ),
]
Feed = Annotated[
    str,
    typer.Option(
        "--on", metavar="FEED", help="Data: test, validation, train or a further set.", autocompletion=complete.feeds
    ),
]


def command(
    solver: SolverFile,
    overrides: SolverOverrides = None,
    weights: Weights = None,
    on: Feed = "test",
    ema: Annotated[bool, typer.Option("--ema", help="Test the snapshot's moving average of weights.")] = False,
    swa: Annotated[bool, typer.Option("--swa", help="Test the snapshot's stochastic weight average.")] = False,
    best: Annotated[bool, typer.Option("--best", help="Test the weights of the best test of a run.")] = False,
    net_stage: Stages = None,
    net_level: Level = None,
    threads: Threads = None,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the scores.")] = TableFormat.table,
) -> None:
    """Score weights on the test data, each sample exactly once."""
    from netspec.core.errors import UsageError
    from netspec.core.locate import has_separator
    from netspec.training import folders
    from netspec.training.averaging import kind_of
    from netspec.training.job import load_solver
    from netspec.training.run import load_tester

    average = kind_of(ema, swa)
    path = expanded(solver)
    if has_separator(solver) and not exists(path):
        raise UsageError(f"there is no run folder or solver '{solver}'")
    found = folders.weights_for(path, weights, best)
    job = load_solver(solver, overrides or [], asked=asked_state(net_stage, net_level), phases=("TEST",))
    console = err()
    with told_of_compiling(console):
        tester, loaded = load_tester(job, found, threads, on, average)
    console.print(str(loaded))
    _answer(*tester.measure(on), format)


def _answer(arrays: dict[str, Array], samples: int, format: TableFormat) -> None:
    """Print the scores over a number of samples."""
    from netspec.core.spelling import unused
    from netspec.training.tester import labelled
    from netspec.views.scores import score_tables
    from netspec.views.tables import csv_text

    scores = labelled(arrays)
    if format is TableFormat.json:
        answer(json.dumps({unused("samples", scores): samples, **scores}, indent=2))
    elif format is TableFormat.csv:
        answer(csv_text(("output", "mean"), scores.items()))
    else:
        for table in score_tables(arrays, samples, out().width):
            answer(table)
