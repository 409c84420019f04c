"""`netspec expand`: a net or solver with its variables, repeats, blocks and parents written out."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from netspec.cli.base import Code, Deploy, Level, NetFile, Overrides, Stages, answer, asked_state
from netspec.cli.help import NETS

PANEL = NETS
EXAMPLE = "netspec expand resnet20 --origins"


class Form(StrEnum):
    """Forms of the flat spec."""

    yaml = "yaml"
    json = "json"


def command(
    file: NetFile,
    overrides: Overrides = None,
    origins: Annotated[
        bool, typer.Option("--origins", help="After each value the line it came from, and those that brought it.")
    ] = False,
    deploy: Deploy = False,
    net_stage: Stages = None,
    net_level: Level = None,
    code: Code = None,
    format: Annotated[Form, typer.Option("--format", help="Form of the flat spec.")] = Form.yaml,
) -> None:
    """Write a net out flat: no variables, repeats, blocks or parents left. A solver comes with its net inside.

    With a stage or level, layers that take part in neither phase are left out.
    """
    import json

    from netspec.core.errors import UsageError
    from netspec.language.write import write
    from netspec.training.nets import choose, flat

    if origins and format is Form.json:
        raise UsageError("--origins are comments, which JSON does not have", help="leave out one of the two")
    asked = asked_state(net_stage, net_level)
    document = (
        choose(file, overrides or [], "TEST", asked).deployed().net if deploy else flat(file, overrides or [], asked)
    )
    answer(json.dumps(document.plain(), indent=2) if format is Form.json else write(document, origins))
