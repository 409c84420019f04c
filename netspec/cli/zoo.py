"""`netspec zoo`: the bundled nets and solvers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli import complete
from netspec.cli.base import Code, TableFormat, answer, err, width
from netspec.cli.help import NETS, example
from netspec.core.locate import expanded

if TYPE_CHECKING:
    from netspec.training.recipes import Recipe

PANEL = NETS

group = typer.Typer(
    no_args_is_help=True, help="List, show and copy the bundled nets and solvers.", epilog=example("netspec zoo list")
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Net or solver in the zoo.", autocompletion=complete.zoo)]


@group.command("list", epilog=example("netspec zoo list"))
def list_(
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the list.")] = TableFormat.table,
) -> None:
    """List the nets with their size, and the solvers with their data and what they reached."""
    from netspec.language import zoo
    from netspec.net.load import load_net
    from netspec.training.recipes import recipe
    from netspec.views.zoo import zoo_view

    rows = []
    for entry in zoo.entries():
        with _left_out(entry.name):
            recipes: list[Recipe] = []
            net = load_net(str(entry.path))
            for name in entry.solvers:
                with _left_out(name):
                    recipes.append(recipe(name))
            rows.append((entry, net, recipes))
    answer(zoo_view(rows).form(format.value, width(sys.stdout)))


@contextmanager
def _left_out(name: str) -> Iterator[None]:
    """Say on standard error what is wrong with a file of a zoo of one's own; it hides none of the others."""
    from netspec.core.errors import NetspecError

    try:
        yield
    except NetspecError as error:
        for each in error.errors():
            err().print(f"'{name}' is left out: {each.message}", soft_wrap=True)


@group.command(epilog=example("netspec zoo show lenet"))
def show(
    name: Name,
    solver: Annotated[bool, typer.Option("--solver", help="The solver, where a net has that name too.")] = False,
) -> None:
    """Print a net or solver as it is written."""
    from netspec.language import zoo

    answer(zoo.text(name, solver).rstrip("\n"))


@group.command(epilog=example("netspec zoo copy lenet my_nets"))
def copy(
    name: Name,
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", parser=expanded, help="Where models/ and solvers/ are made.")
    ] = Path(),
    force: Annotated[bool, typer.Option("--force", "-f", help="Write over files that exist.")] = False,
) -> None:
    """Copy a net with its solvers, to change them."""
    from netspec.language import zoo

    answer("\n".join(str(path) for path in zoo.copy(name, folder, force)))
