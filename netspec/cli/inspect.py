"""`netspec inspect`: shapes, parameters, MACs and memory of a net, without running it."""

from __future__ import annotations

from typing import Annotated

import typer

from netspec.cli.base import Batch, NetFile, Overrides, PhaseChoice, TableFormat, answer, out


def command(
    net: NetFile,
    overrides: Overrides = None,
    phase: Annotated[PhaseChoice, typer.Option(help="Phase to look at.")] = PhaseChoice.TRAIN,
    batch: Batch = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the table.")] = TableFormat.table,
) -> None:
    """Show every layer's output size, parameters and MACs, with the arithmetic."""
    from netspec import report
    from netspec.cli import app
    from netspec.graph import State
    from netspec.load import load_net
    from netspec.plan import plan
    from netspec.rewrite import rewrite

    app.error_format[0] = "json" if format is TableFormat.json else "text"
    shaped = load_net(net, overrides or [], State(phase.value), batch)
    shaped = rewrite(shaped)
    one = report.inspection(shaped, plan(shaped))
    if format is TableFormat.table:
        answer(report.inspect_table(one, out().width))
        return
    forms = {"json": report.inspect_json, "csv": report.inspect_csv, "md": report.inspect_markdown}
    answer(forms[format.value](one))
