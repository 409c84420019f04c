"""`netspec draw`: a net as a drawing, in a file."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from netspec.cli.base import (
    Batch,
    Code,
    Deploy,
    Level,
    NetFile,
    Overrides,
    PhaseChoice,
    Stages,
    answer,
    asked_state,
    err,
    output_file,
)
from netspec.cli.help import NETS

PANEL = NETS
EXAMPLE = "netspec draw resnet50 -o resnet50.svg --depth 2"


class Form(StrEnum):
    """Forms of a drawing."""

    svg = "svg"
    png = "png"
    dot = "dot"
    mmd = "mmd"
    html = "html"


class Theme(StrEnum):
    """Colours of a drawing."""

    auto = "auto"
    light = "light"
    dark = "dark"


class Like(StrEnum):
    """Manners of drawing."""

    lecture = "lecture"


def command(
    net: NetFile,
    overrides: Overrides = None,
    output: Annotated[
        Path | None,
        output_file("The file; its ending says the form."),
    ] = None,
    depth: Annotated[
        int | None, typer.Option(min=1, help="Levels of names like a/b/c to show; deeper blocks are one box each.")
    ] = None,
    phase: Annotated[PhaseChoice, typer.Option(case_sensitive=False, help="Phase to draw.")] = PhaseChoice.TRAIN,
    batch: Batch = None,
    deploy: Deploy = False,
    net_stage: Stages = None,
    net_level: Level = None,
    theme: Annotated[
        Theme, typer.Option(help="Colours: as the screen of who looks (a PNG is light), light, or dark.")
    ] = Theme.auto,
    zoom: Annotated[
        float, typer.Option(min=0.1, max=10, help="Size of a PNG: pixels for each of the drawing's.")
    ] = 2.0,
    like: Annotated[
        Like | None, typer.Option(help="lecture: blobs as solids of their size, as course slides draw nets.")
    ] = None,
    code: Code = None,
    format: Annotated[
        Form | None, typer.Option("--format", help="Form of the drawing; without -o it goes to standard output.")
    ] = None,
) -> None:
    """Draw a net: layers as boxes with their parameters, shapes on the lines between them, blocks in frames.

    SVG and PNG are drawings, HTML a page whose blocks open and close, with a search and each layer's details; DOT and
    Mermaid are texts that other programs draw.
    """
    from netspec.drawing import forms
    from netspec.net.load import load_phases
    from netspec.training.nets import choose

    file = None if output is None or str(output) == "-" else output
    form = forms.form(net, file, format and format.value)
    if like is not None:
        forms.only_drawn(form)
    one = choose(net, overrides or [], "TEST" if deploy else phase.value, asked_state(net_stage, net_level))
    one = one.deployed() if deploy else one
    phases = load_phases(one.net, (), one.state, batch or one.batch)
    shaped = phases.test if deploy or phase is PhaseChoice.TEST else phases.train
    assert shaped is not None
    drawn = forms.FORMS[form](shaped, forms.Wish(depth, theme.value, zoom, like is Like.lecture))
    if drawn.remark:
        err().print(f"note: {drawn.remark}", soft_wrap=True)
    if file is None:
        sys.stdout.buffer.write(drawn.content)
        sys.stdout.flush()
    else:
        forms.save(drawn, form, file)
        answer(str(file))
