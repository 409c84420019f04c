"""`netspec zoo`: the bundled nets and solvers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from netspec.cli.base import Code, TableFormat, answer, out

group = typer.Typer(no_args_is_help=True, help="List, show and copy the bundled nets and solvers.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Net or solver in the zoo.")]


@group.command("list")
def list_(
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the list.")] = TableFormat.table,
) -> None:
    """List the nets with their parameters and solvers."""
    from netspec.language import zoo
    from netspec.net.load import load_net
    from netspec.views.columns import Columns

    rows = [(e, load_net(str(e.path))) for e in zoo.entries()]
    if format is TableFormat.json:
        answer(
            json.dumps(
                [{"name": e.name, "params": s.total_params, "solvers": e.solvers, "cite": e.cite} for e, s in rows],
                indent=2,
            )
        )
        return
    if format is TableFormat.csv:
        answer(
            "\n".join(["name,params,solvers", *(f"{e.name},{s.total_params},{' '.join(e.solvers)}" for e, s in rows)])
        )
        return
    table = Columns(("name", "params", "solvers", "from"), right=(1,))
    for entry, shaped in rows:
        table.add_row(entry.name, f"{shaped.total_params:,}", " ".join(entry.solvers), entry.cite)
    answer(table.fitted(out().width, ranks=(0, 1, 2, 3)))


@group.command()
def show(name: Name) -> None:
    """Print a net or solver as it is written."""
    from netspec.core import locate
    from netspec.language import zoo

    files = zoo.files(name)
    path = files[0] if name in locate.names("models") else files[1]
    answer(path.read_text().rstrip("\n"))


@group.command()
def copy(
    name: Name,
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Where models/ and solvers/ are made.")] = Path(),
    force: Annotated[bool, typer.Option("--force", "-f", help="Write over files that exist.")] = False,
) -> None:
    """Copy a net with its solvers, to change them."""
    from netspec.language import zoo

    answer("\n".join(str(path) for path in zoo.copy(name, folder, force)))
