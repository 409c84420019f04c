"""`netspec import`: a net of another program, and its weights, as netspec's files."""

from __future__ import annotations

import typer

from netspec.cli.help import EXCHANGE, example

PANEL = EXCHANGE

group = typer.Typer(
    no_args_is_help=True,
    help="Turn a net of another program into netspec's files.",
    epilog=example("netspec import caffe deploy.prototxt -o net.yaml"),
)
