"""`netspec init`: a net and a solver for data of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from netspec.cli.base import Code, answer
from netspec.cli.help import NETS
from netspec.core.locate import expanded
from netspec.scaffold.draft import Template

PANEL = NETS
EXAMPLE = "netspec init photos/"


def command(
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="Folder with a folder of images a class, .csv, .parquet or .txt.")
    ],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the files; left out: that of the folder or table.")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", metavar="COLUMN", help="Column of a table that is to be predicted.")
    ] = None,
    template: Annotated[
        Template, typer.Option("--template", help="Kind of net; auto chooses by what is found.")
    ] = Template.auto,
    weights: Annotated[
        Path | None,
        typer.Option(
            "--weights", metavar="FILE", parser=expanded, help="Snapshot or run folder that `finetune` goes on from."
        ),
    ] = None,
    code: Code = None,
) -> None:
    """Look at images or a table, and write a net and a solver for them into the current folder."""
    import re

    from netspec.scaffold.draft import draft
    from netspec.scaffold.look import look
    from netspec.scaffold.write import write

    found = look(str(expanded(path)), target)
    own = name or re.sub(r"[^\w.-]+", "_", Path(path).absolute().stem).strip("._") or "my"
    net, solver = write(draft(found, own, template, weights), own, Path())
    answer(f"found {found}\nwrote {net} and {solver}\nnext: netspec train {solver}")
