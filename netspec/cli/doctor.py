"""`netspec doctor`: what may be wrong with the machine, a solver or a run, and what to try."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from netspec.language.asked import AskedState
    from netspec.views.tables import View

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
    answer(_view(subject, overrides or [], asked_state(net_stage, net_level)).form(format.value, width(sys.stdout)))


def _view(subject: str | None, overrides: list[str], asked: AskedState) -> View:
    """What the doctor says of a solver, a run or the machine. Raises the errors of the files."""
    from netspec.views.doctor import examination, examined_machine

    room = width(sys.stdout)
    if subject is None:
        from netspec.study.machine import machine

        return examined_machine(machine(), room)
    from netspec.study import doctor
    from netspec.training import folders, runs
    from netspec.training.job import load_solver

    folder = folders.named(subject)
    if folders.holds(folder) and not overrides:
        return examination(doctor.examine_run(runs.read(folder)), room)
    job = load_solver(subject, overrides, asked=asked)
    with told_of_compiling(err()):
        return examination(doctor.examine(job), room)
