"""`netspec export`: a net and its weights as files of another program."""

from __future__ import annotations

import typer

from netspec.cli.help import EXCHANGE, example

PANEL = EXCHANGE

group = typer.Typer(
    no_args_is_help=True,
    help="Write a net and its weights for another program.",
    epilog=example("netspec export onnx lenet -o lenet.onnx"),
)
