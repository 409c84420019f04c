"""`netspec diff`: what differs between two nets, solvers or runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from netspec.cli import complete
from netspec.cli.base import (
    Code,
    Level,
    Overrides,
    Stages,
    TableFormat,
    answer,
    asked_state,
    is_override,
    width,
)
from netspec.cli.help import NETS

PANEL = NETS
EXAMPLE = "netspec diff lenet lenet layers.conv1.num_output=32"


def command(
    before: Annotated[
        str,
        typer.Argument(
            metavar="A",
            help="Net, solver or run folder: a path, a zoo name, or - for standard input.",
            autocompletion=complete.specs,
        ),
    ],
    after: Annotated[
        str | None,
        typer.Argument(metavar="B", help="What it is compared with; left out: A.", autocompletion=complete.specs),
    ] = None,
    overrides: Overrides = None,
    net_stage: Stages = None,
    net_level: Level = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with code 6 where anything differs.")] = False,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the answer.")] = TableFormat.table,
) -> None:
    """Show the layers, settings and scores in which two nets, solvers or runs differ; KEY=VALUE changes B.

    Layers are matched by name and, where names differ, by structure. Numbers are what B has more than A.
    """
    from netspec.core.errors import UsageError
    from netspec.study.diff import DifferError, diff
    from netspec.views.diff import diff_view

    words = overrides or []
    if after is None and not words:
        help = "name a second one, or values to change, like `base_lr=0.1`"
        raise UsageError(f"nothing says what '{before}' is compared with", help=help)
    if after is None or is_override(after):
        after, words = before, words if after is None else [after, *words]
    found = diff(before, after, words, asked_state(net_stage, net_level))
    answer(diff_view(found).form(format.value, width(sys.stdout)))
    if exit_code and found.differs and format is TableFormat.json:  # the answer says all, in a single document
        raise typer.Exit(DifferError.exit_code)
    if exit_code:
        found.check()
