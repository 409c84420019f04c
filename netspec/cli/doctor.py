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
    failed,
    told_of_compiling,
    width,
)
from netspec.cli.help import TRUST

if TYPE_CHECKING:
    from netspec.core.errors import NetspecError
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
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 6 where there is a finding.")] = False,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the answer.")] = TableFormat.table,
) -> None:
    """Say what may be wrong with a solver or a run, and what to try; without either, with the machine."""
    from netspec.core.shape import counted
    from netspec.study.doctor import FoundError

    view, findings = _examined(subject, overrides or [], asked_state(net_stage, net_level))
    answer(view.form(format.value, width(sys.stdout)))
    if exit_code and findings:
        failed(FoundError(counted(len(findings), "finding")), format)


def _examined(subject: str | None, overrides: list[str], asked: AskedState) -> tuple[View, tuple[NetspecError, ...]]:
    """What the doctor says of a solver, a run or the machine, and its findings. Raises the errors of the files."""
    from netspec.views.doctor import examination, examined_machine

    room = width(sys.stdout)
    if subject is None:
        from netspec.study.machine import machine

        here = machine()
        return examined_machine(here, room), here.findings
    from netspec.study import doctor
    from netspec.training import folders, runs
    from netspec.training.job import load_solver

    folder = folders.named(subject)
    if folders.holds(folder) and not overrides:
        one = doctor.examine_run(runs.read(folder))
    else:
        job = load_solver(subject, overrides, asked=asked)
        with told_of_compiling(err()):
            one = doctor.examine(job)
    return examination(one, room), one.findings
