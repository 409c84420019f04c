"""`netspec explain`: what an error code means, with an example."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from netspec.cli.base import answer, width
from netspec.cli.complete import codes
from netspec.cli.help import HELP

PANEL = HELP
EXAMPLE = "netspec explain NS302"


def command(
    error: Annotated[
        str | None,
        typer.Argument(metavar="[CODE]", help="The code of an error; left out: all codes.", autocompletion=codes),
    ] = None,
) -> None:
    """Explain an error code, like the NS302 of `error[NS302]`."""
    from netspec.core.explained import explained, find
    from netspec.views.explanation import explanation, overview

    answer(overview(explained(), width(sys.stdout)) if error is None else explanation(find(error)))
