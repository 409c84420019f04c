"""`netspec baseline`: what simple models reach on the data of a solver."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from netspec.cli.base import (
    Code,
    Feed,
    Level,
    SolverFile,
    SolverOverrides,
    Stages,
    TableFormat,
    answer,
    asked_state,
    err,
    is_live,
    width,
)
from netspec.cli.help import TRAINING

PANEL = TRAINING
EXAMPLE = "netspec baseline lenet"


def command(
    solver: SolverFile,
    overrides: SolverOverrides = None,
    on: Feed = None,
    net_stage: Stages = None,
    net_level: Level = None,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the scores.")] = TableFormat.table,
) -> None:
    """Fit a constant, nearest neighbours, ridge and logistic regression: what a net has to beat."""
    from netspec.training.baseline import baseline
    from netspec.training.job import load_solver
    from netspec.views.baseline import baseline_view

    job = load_solver(solver, overrides or [], asked=asked_state(net_stage, net_level))
    console = err()
    status = console.status("") if is_live(console) else None
    if status is not None:
        with status:
            found = baseline(job, on or job.spec.feed_name("TEST"), lambda word: status.update(word))
    else:
        found = baseline(job, on or job.spec.feed_name("TEST"))
    answer(baseline_view(found).form(format.value, width(sys.stdout)))
