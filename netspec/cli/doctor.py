"""`netspec doctor`: what may be wrong with the machine, a solver or a run, and what to try."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from netspec.cli import complete
from netspec.cli.base import (
    Code,
    Level,
    SolverOverrides,
    Stages,
    TableFormat,
    answer,
    asked_state,
    err,
    told_of_compiling,
    width,
)
from netspec.cli.help import TRUST

PANEL = TRUST
EXAMPLE = "netspec doctor runs/lenet-1"


def command(
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="[SOLVER|RUN]",
            help="Solver file, zoo name or run folder; left out: the machine.",
            autocompletion=complete.solvers,
        ),
    ] = None,
    overrides: SolverOverrides = None,
    net_stage: Stages = None,
    net_level: Level = None,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the answer.")] = TableFormat.table,
) -> None:
    """Say what may be wrong with a solver or a run, and what to try; without either, with the machine."""
    from netspec.study import doctor
    from netspec.training import folders, runs
    from netspec.training.job import load_solver
    from netspec.views.doctor import examination

    room = width(sys.stdout)
    if subject is None:
        raise NotImplementedError
    folder = folders.named(subject)
    if folders.holds(folder) and not overrides:
        one = doctor.examine_run(runs.read(folder))
    else:
        job = load_solver(subject, overrides or [], asked=asked_state(net_stage, net_level))
        with told_of_compiling(err()):
            one = doctor.examine(job)
    answer(examination(one, room).form(format.value, room))
