"""`netspec test`: run the TEST net of a solver over its test data. (The file's underscore keeps test runners away.)"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netspec.cli.base import (
    Best,
    Code,
    Ema,
    Feed,
    Level,
    SolverFile,
    SolverOverrides,
    Stages,
    Swa,
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


def command(
    solver: SolverFile,
    overrides: SolverOverrides = None,
    weights: Weights = None,
    on: Feed = None,
    ema: Ema = False,
    swa: Swa = False,
    best: Best = False,
    net_stage: Stages = None,
    net_level: Level = None,
    worst: Annotated[int, typer.Option(min=0, max=1000, help="Samples of the greatest loss to show.")] = 10,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="FILE", parser=expanded, help="Draw the confusion matrix into FILE.png, .svg, ..."
        ),
    ] = None,
    threads: Threads = None,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the scores.")] = TableFormat.table,
) -> None:
    """Score weights on test data, each sample once: how good they are, and where they are wrong.

    A net file will do in place of a solver where its data layers bring the test data.
    """
    from netspec.core.errors import UsageError
    from netspec.core.locate import has_separator
    from netspec.pictures import confusion
    from netspec.pictures.saving import ask_for_library
    from netspec.training import folders
    from netspec.training.averaging import kind_of
    from netspec.training.job import load_solver, with_solver
    from netspec.training.judging import evaluation
    from netspec.training.run import load_tester

    average = kind_of(ema, swa)
    path = expanded(solver)
    if has_separator(solver) and not exists(path):
        raise UsageError(f"there is no run folder or solver '{solver}'")
    found = folders.weights_for(path, weights, best)
    asked = asked_state(net_stage, net_level)
    job = load_solver(with_solver(solver, asked), overrides or [], asked=asked, phases=("TEST",))
    if plot is not None:
        ask_for_library(plot, "--plot", "leave it out: --format json has the matrix")
    on, console = on or "test", err()
    with told_of_compiling(console):
        tester, loaded = load_tester(job, found, threads, on, average, judged=True)
    console.print(str(loaded))
    arrays, values = evaluation.evaluate(tester, on, found, average, worst)
    _answer(arrays, values["samples"], values["heads"], format)
    for folder in {weights or path, path}:
        if folders.holds(folder) and found.is_relative_to(folder):
            _keep(folder, values | {"overrides": overrides or []})
    if plot is not None:
        confusion.plot(plot, values["heads"])
        console.print(f"drew {plot}", soft_wrap=True)


def _keep(folder: Path, values: dict[str, Any]) -> None:
    """Write an evaluation into a run folder; where the disk refuses, only say so: the answer is given."""
    from netspec.core.outputs import WriteError
    from netspec.training.judging import evaluation

    try:
        said = f"kept in {evaluation.write(folder, values)}"
    except WriteError as error:
        said = f"not kept: {error.message}"
    err().print(said, soft_wrap=True)


def _answer(arrays: dict[str, Array], samples: int, heads: list[dict[str, Any]], format: TableFormat) -> None:
    """Print the scores over a number of samples, and what is said of each head."""
    from netspec.core.spelling import unused
    from netspec.training.tester import labelled
    from netspec.views.evaluation import evaluation_rows, evaluation_tables
    from netspec.views.scores import score_tables
    from netspec.views.tables import csv_text

    scores = labelled(arrays)
    if format is TableFormat.json:
        said = {unused("samples", scores): samples, **scores}
        answer(json.dumps(said | ({unused("heads", said): heads} if heads else {}), indent=2))
    elif format is TableFormat.csv:
        answer(csv_text(("output", "mean"), [*scores.items(), *evaluation_rows(heads)]))
    else:
        for table in (*score_tables(arrays, samples, out().width), *evaluation_tables(heads, out().width)):
            answer(table)
