"""`netspec overfit`: whether a net can learn a few samples by heart."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

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
    failed,
    is_live,
    told_of_compiling,
    width,
)
from netspec.cli.help import TRUST

PANEL = TRUST
EXAMPLE = "netspec overfit lenet"


def command(
    solver: SolverFile,
    overrides: SolverOverrides = None,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Samples to learn; left out: a batch, of 32 at most.")
    ] = None,
    iterations: Annotated[int, typer.Option(min=1, help="Most iterations.")] = 500,
    threads: Threads = None,
    net_stage: Stages = None,
    net_level: Level = None,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the answer.")] = TableFormat.table,
) -> None:
    """Train on the same few samples until the loss is near 0; if it does not come there, say why, and exit with 6."""
    from rich.progress import Progress

    from netspec.study.overfit import overfit
    from netspec.training.job import load_solver
    from netspec.views.overfit import overfitted

    job = load_solver(solver, overrides or [], asked=asked_state(net_stage, net_level))
    console = err()
    with told_of_compiling(console), Progress(console=console, disable=not is_live(console), transient=True) as bar:
        task = bar.add_task(job.name, total=iterations)
        one = overfit(job, samples, iterations, threads, lambda done: bar.update(task, completed=done))
    room = width(sys.stdout)
    answer(overfitted(one, room).form(format.value, room))
    failure = one.failure()
    if failure is not None:
        failed(failure, format)
