"""`netspec layers`: the layer types, and all about one of them, or about a source or transform of data."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from netspec.cli.base import Code, TableFormat, answer, width
from netspec.cli.complete import layer_types
from netspec.cli.help import HELP

PANEL = HELP
EXAMPLE = "netspec layers Convolution"


def command(
    type: Annotated[
        str | None,
        typer.Argument(
            metavar="[TYPE]",
            help="A layer type, or a source or transform of data; left out: all layer types.",
            autocompletion=layer_types,
        ),
    ] = None,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the answer.")] = TableFormat.table,
) -> None:
    """List the layer types by purpose, or show all about one of them, or about a source or transform of data."""
    from netspec.views import reference

    wide = width(sys.stdout)
    view = reference.overview(reference.entries(), wide) if type is None else reference.page(reference.find(type), wide)
    answer(view.form(format.value, wide))
