"""`netspec time`: how long each layer takes, forward and backward, like `caffe time`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from netspec.cli.base import (
    Batch,
    Code,
    Level,
    NetFile,
    Overrides,
    PhaseChoice,
    Stages,
    TableFormat,
    Threads,
    Without,
    answer,
    asked_state,
    err,
    told_of_compiling,
    width,
)
from netspec.cli.help import TRAINING

PANEL = TRAINING
EXAMPLE = "netspec time lenet --batch 1"


def command(
    net: NetFile,
    overrides: Overrides = None,
    iterations: Annotated[int, typer.Option("--iterations", "-n", min=1, help="Runs to take the median of.")] = 50,
    phase: Annotated[PhaseChoice, typer.Option(case_sensitive=False, help="Phase to time.")] = PhaseChoice.TRAIN,
    batch: Batch = None,
    net_stage: Stages = None,
    net_level: Level = None,
    threads: Threads = None,
    without: Without = None,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the table.")] = TableFormat.table,
) -> None:
    """Time every layer on random data: median milliseconds forward and backward."""
    from netspec.engine.timing import time_net
    from netspec.net.load import load_net
    from netspec.training.nets import choose
    from netspec.views import terminal as report
    from netspec.views.tables import csv_text

    one = choose(net, overrides or [], phase.value, asked_state(net_stage, net_level))
    shaped = load_net(one.net, (), one.state, batch or one.batch)
    console = err()
    with told_of_compiling(console):
        measured = time_net(shaped, one.dtype, iterations, threads, without=without or ())
    if format is TableFormat.json:
        answer(json.dumps(asdict(measured), indent=2))
    elif format is TableFormat.csv:
        rows = ((t.name, t.type, f"{t.forward:.6f}", f"{t.backward:.6f}") for t in measured.layers)
        answer(csv_text(("layer", "type", "forward_ms", "backward_ms"), rows))
    else:
        table, wide = report.time_table(measured), width(sys.stdout)
        answer(table if wide is None else table.fitted(wide, ranks=(0, 2, 3, 0, 0, 1)))
