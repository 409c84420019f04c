"""`netspec gradcheck`: the gradients of every layer against central differences."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from netspec.cli.base import (
    Code,
    Level,
    NetFile,
    Overrides,
    PhaseChoice,
    Stages,
    TableFormat,
    answer,
    asked_state,
    err,
    told_of_compiling,
    width,
)
from netspec.cli.help import NETS

PANEL = NETS
EXAMPLE = "netspec gradcheck lenet"


def command(
    net: NetFile,
    overrides: Overrides = None,
    phase: Annotated[PhaseChoice, typer.Option(case_sensitive=False, help="Phase to check.")] = PhaseChoice.TRAIN,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Batch size; left out: the net's own, or 4 where that is smaller.")
    ] = None,
    net_stage: Stages = None,
    net_level: Level = None,
    data: Annotated[
        bool, typer.Option("--data", help="Feed the first samples of the solver's data instead of random numbers.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of inputs, params and the elements to compare.")] = 1,
    step: Annotated[
        float, typer.Option(min=1e-12, max=1, help="Step, relative to the root mean square of a blob.")
    ] = 1e-4,
    samples: Annotated[int, typer.Option(min=1, help="Most elements of a blob to compare one by one.")] = 20,
    limit: Annotated[float, typer.Option(min=1e-15, help="Largest relative error that passes.")] = 1e-5,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the answer.")] = TableFormat.table,
) -> None:
    """Compare the gradients of every layer, alone and in float64, with central differences."""
    from netspec.core.errors import CheckFailed
    from netspec.engine.gradcheck import mistakes
    from netspec.engine.slopes import Asked
    from netspec.training.gradients import check_gradients
    from netspec.views.gradients import gradients

    state, asked = asked_state(net_stage, net_level), Asked(seed, step, samples, limit)
    with told_of_compiling(err()):
        checked, shaped = check_gradients(net, overrides or [], phase.value, state, batch, data, asked)
    answer(gradients(checked).form(format.value, width(sys.stdout)))
    found = mistakes(checked, shaped)
    if found and format is TableFormat.json:  # the answer says all, and stdout takes a single document
        raise typer.Exit(CheckFailed.exit_code)
    found.raise_if_any()
