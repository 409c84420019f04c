"""`netspec schema`: what an editor needs to complete and check nets and solvers."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from netspec.cli.base import Code, answer
from netspec.cli.help import HELP

PANEL = HELP
EXAMPLE = "netspec schema net > net.schema.json"


class Kind(StrEnum):
    """Kinds of files."""

    net = "net"
    solver = "solver"


def command(
    kind: Annotated[Kind, typer.Argument(metavar="KIND", help="What it describes: net or solver.")],
    code: Code = None,
) -> None:
    """Print the JSON Schema of nets or solvers, for completion in an editor."""
    from netspec.views import json_schema

    schema = json_schema.net_schema() if kind is Kind.net else json_schema.solver_schema()
    answer(json.dumps(schema, indent=1))
