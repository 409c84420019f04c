"""`netspec crossval`: train a solver on every fold of its data, and show the mean of every score."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli import complete
from netspec.cli.base import (
    Code,
    Level,
    SolverOverrides,
    Stages,
    TableFormat,
    Threads,
    answer,
    asked_state,
    err,
    width,
)
from netspec.cli.help import TRAINING
from netspec.cli.signals import Finishing
from netspec.cli.train import render
from netspec.core.locate import expanded

if TYPE_CHECKING:
    from rich.console import Console

    from netspec.training.crossval import CrossValidation
    from netspec.training.job import Job

PANEL = TRAINING
EXAMPLE = "netspec crossval solver.yaml --folds 5"

Solver = Annotated[
    str,
    typer.Argument(
        metavar="SOLVER",
        help="Solver file or zoo name with `data: all:`, or the folder of a cross-validation to go on with.",
        autocompletion=complete.solvers,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="DIR", parser=expanded, help="Folder; left out: runs/NAME-cv-1, -2, ..."),
]


def command(
    solver: Solver,
    overrides: SolverOverrides = None,
    folds: Annotated[
        int | None, typer.Option("--folds", "-k", min=2, max=10_000, help="Folds; left out: the solver's, or 5.")
    ] = None,
    output: Output = None,
    net_stage: Stages = None,
    net_level: Level = None,
    threads: Threads = None,
    code: Code = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress; errors only.")] = False,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the scores.")] = TableFormat.table,
) -> None:
    """Train once for each fold of the data; the mean and deviation of every score over the folds."""
    from netspec.core.errors import UsageError
    from netspec.training.crossval import begin, fold_scores, is_crossval, resumed
    from netspec.views.crossval import crossval_view

    console = err()
    console.quiet = quiet
    folder = expanded(solver)
    if is_crossval(folder):
        if overrides or output:
            raise UsageError(f"'{folder}' is a cross-validation to go on with, as it is", help="leave the rest out")
        whole, first = resumed(folder, folds), None
    else:
        whole, first = begin(solver, overrides or [], folds, output, asked_state(net_stage, net_level))
    found = [_trained(whole, fold, first if fold == 0 else None, threads, console) for fold in range(whole.folds)]
    console.print(f"{whole.folds} folds in {whole.folder}")
    answer(crossval_view(fold_scores(found), whole.folds).form(format.value, width(sys.stdout)))


def _trained(
    whole: CrossValidation, fold: int, job: Job | None, threads: int | None, console: Console
) -> dict[str, float]:
    """The scores of a fold, which is trained first where that is not done. Ends the process where it is stopped."""
    from netspec.training import budgets
    from netspec.training.run import run

    scores = whole.scores(fold)
    if scores is not None:
        console.print(f"fold {fold} of {whole.folds} is there: {whole.run(fold)}")
        return scores
    console.print(f"fold {fold} of {whole.folds}", style="bold")
    stop = Finishing(lambda name, effect: console.print(f"{name}: finishing this batch and writing a snapshot"), {})
    start = partial(run, job or whole.job(fold), whole.run(fold), resume=whole.begun(fold), threads=threads)
    with start(stopping=stop, snapshot_asked=stop.snapshot) as training:
        stopped = render(training, console, stop)
    if stopped:
        console.print(f"go on with: netspec crossval {shlex.quote(str(whole.folder))}")
        sys.exit(budgets.EXIT if stopped in budgets.NAMES else stop.exit_code)
    return whole.scores(fold) or {}
