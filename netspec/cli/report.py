"""`netspec report`: a run as one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netspec.cli import complete
from netspec.cli.base import Code, Threads, answer, err, output_file, told_of_compiling
from netspec.cli.help import TRUST

PANEL = TRUST
EXAMPLE = "netspec report runs/lenet-1"


def command(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or its name.", autocompletion=complete.runs)],
    output: Annotated[
        Path | None,
        output_file("HTML file; left out: RUN/report.html."),
    ] = None,
    threads: Threads = None,
    code: Code = None,
) -> None:
    """Write a training into one HTML file: verdict, curves, tests, net, settings; it needs no network and no server.

    The run is tested first where its folder holds no test of its latest or best weights.
    """
    from netspec.report.run import write_report
    from netspec.training import folders

    folder = folders.named(run)
    with told_of_compiling(err()):
        file = write_report(folder, output, threads)
    answer(str(file))
