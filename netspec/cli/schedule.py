"""`netspec schedule`: the learning rate over a training, before it runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from netspec.cli.base import Code, Level, SolverFile, SolverOverrides, Stages, TableFormat, answer, asked_state, width
from netspec.cli.help import TRAINING

PANEL = TRAINING
EXAMPLE = "netspec schedule lenet lr_policy=cosine warmup.length=500"


def command(
    solver: SolverFile,
    overrides: SolverOverrides = None,
    every: Annotated[int, typer.Option(min=1, help="Iterations between the rows of json and csv.")] = 1,
    net_stage: Stages = None,
    net_level: Level = None,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the answer.")] = TableFormat.table,
) -> None:
    """Show the learning rate over a training: a chart, and the iterations where it turns; csv has every iteration."""
    from netspec.core.locate import expanded
    from netspec.training import folders, runs
    from netspec.training.job import load_solver
    from netspec.training.schedule import of_run, schedule
    from netspec.views import schedule as views

    job, path = load_solver(solver, overrides or [], asked=asked_state(net_stage, net_level)), expanded(solver)
    one = of_run(job, runs.read(path)) if folders.holds(path) else schedule(job)
    room = width(sys.stdout)
    answer(views.schedule(one, every, room).form(format.value, room))
