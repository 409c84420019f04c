"""`netspec lr-find`: a learning rate for a solver, by short trainings whose rate grows."""

from __future__ import annotations

import sys
from pathlib import Path
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
    output_file,
    told_of_compiling,
    width,
)
from netspec.cli.help import TRUST

PANEL = TRUST
EXAMPLE = "netspec lr-find lenet"

LOWEST, HIGHEST, ITERATIONS, SWEEPS = 1e-6, 10.0, 200, 3
"""The rates of a sweep, its length, and how many are made, where nobody says otherwise."""


def command(
    solver: SolverFile,
    overrides: SolverOverrides = None,
    low: Annotated[float, typer.Option("--from", min=1e-12, help="Rate of the first iteration.")] = LOWEST,
    high: Annotated[float, typer.Option("--to", max=1e6, help="Rate of the last iteration.")] = HIGHEST,
    iterations: Annotated[int, typer.Option(min=50, max=100_000, help="Iterations of a sweep.")] = ITERATIONS,
    sweeps: Annotated[int, typer.Option(min=1, max=99, help="Sweeps, each with another seed.")] = SWEEPS,
    output: Annotated[
        Path | None,
        output_file("Also draw it: .png, .svg or .pdf."),
    ] = None,
    net_stage: Stages = None,
    net_level: Level = None,
    threads: Threads = None,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the answer.")] = TableFormat.table,
) -> None:
    """Look for a learning rate: train a few iterations while the rate grows, and see where the loss falls."""
    from netspec.study.lr_find import NoRateError, search
    from netspec.training.job import load_solver
    from netspec.views import lr_find as views

    if output is not None:
        from netspec.pictures.lr_find import ask

        ask(output)
    job = load_solver(solver, overrides or [], phases=("TRAIN",), asked=asked_state(net_stage, net_level))
    with told_of_compiling(err()):
        found = search(job, low, high, iterations, sweeps, threads)
    if output is not None:
        from netspec.pictures.lr_find import plot_search

        plot_search(output, found)
        err().print(f"drew {output}", soft_wrap=True)
    room = width(sys.stdout)
    answer(views.search(found, room).form(format.value, room))
    if found.fault is not None:
        failed(NoRateError(f"no rate is suggested: {found.fault}", help=views.advice(found.typical)), format)
