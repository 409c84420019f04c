"""`netspec check`: every mistake in nets and solvers, and warnings, before anything runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli import complete
from netspec.cli.base import Code, ErrorFormat, Level, Stages, answer, asked_state, err, is_override, width
from netspec.cli.help import NETS

if TYPE_CHECKING:
    from netspec.core.errors import Findings, NetspecError
    from netspec.core.nodes import Document
    from netspec.language.asked import AskedState
    from netspec.language.references import Documents

PANEL = NETS
EXAMPLE = "netspec check lenet my_net.yaml my_solver.yaml"


def command(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE... [KEY=VALUE]...",
            help="Nets and solvers (files or zoo names), then values to change.",
            autocompletion=complete.specs,
        ),
    ],
    data: Annotated[
        bool, typer.Option("--data", help="Open a solver's data and weights too: shapes, counts, labels.")
    ] = False,
    net_stage: Stages = None,
    net_level: Level = None,
    code: Code = None,
    format: Annotated[ErrorFormat, typer.Option("--format", help="Form of the errors.")] = ErrorFormat.text,
) -> None:
    """Check nets and solvers, and say every mistake with its place."""
    from netspec.core.errors import Findings, UsageError

    overrides = [word for word in files if is_override(word)]
    names = [word for word in files if word not in overrides]
    if not names:
        raise UsageError("no file to check", help="name nets or solvers before the values to change")
    found, fine = Findings(), list[str]()
    for name in names:
        with found.catching():
            fine += _one(name, overrides, data, asked_state(net_stage, net_level), found)
    found.raise_if_any()
    _report(fine, found.warnings, format)


def _report(fine: list[str], warnings: list[NetspecError], format: ErrorFormat) -> None:
    """Show that files are sound: their lines on stdout, and warnings on stderr; or all of it for machines."""
    import json

    from netspec.core.errors import Mistakes
    from netspec.core.visible import visible
    from netspec.views.errors import as_github, as_json
    from netspec.views.terminal import styled_error

    if format is ErrorFormat.json:
        answer(json.dumps(as_json(warnings), indent=2))
    elif format is ErrorFormat.github:
        answer(as_github(warnings))
    else:
        if warnings:
            err().print(styled_error(Mistakes(warnings), width(sys.stderr)))
        answer("\n".join(map(visible, fine)))


def _one(name: str, overrides: list[str], data: bool, asked: AskedState, found: Findings) -> list[str]:
    """The lines that report a sound file; warnings go to `found`. Raises the file's mistakes."""
    from netspec.core.errors import Findings
    from netspec.language.references import open_any
    from netspec.training.rules.base import Known, judge

    opened = open_any(name, overrides, "solvers" if data else "models", asked)
    if opened.solver is None:
        return [f"{opened.title}: a sound net, {_net(opened.flat, asked, found)}", *_notes(opened)]
    from netspec.core.locate import from_here
    from netspec.net.wire import check_left_out
    from netspec.training.job import job_of
    from netspec.training.rehearsal import rehearse

    mistakes = Findings()
    job = job_of(opened, mistakes)
    check_left_out(job.net, job.train.graph.state, mistakes)
    mistakes.raise_if_any()
    feeds, warnings = rehearse(job) if data else ({}, judge(Known(job.nets, job)))
    for warning in warnings:
        found.add(warning)
    words = [f"a sound solver for net '{job.net.name}'", *(from_here(feed.describe()) for feed in feeds.values())]
    return [f"{opened.title}: {'; '.join(words)}", *_notes(opened)]


def _notes(opened: Documents) -> list[str]:
    """What was changed where a file came from another program, each with its place."""
    documents = [document for document in (opened.solver, opened.net) if document is not None]
    return [f"{note.at}: {note.text}" for document in documents for note in document.notes]


def _net(document: Document, asked: AskedState, found: Findings) -> str:
    """The totals of a sound net; warnings go to `found`. Raises its mistakes."""
    from netspec.core.errors import Findings
    from netspec.core.shape import counted, per
    from netspec.net.graph import State
    from netspec.net.infer import expect
    from netspec.net.load import load_phases
    from netspec.net.wire import check_left_out
    from netspec.training.rules.base import Known, judge

    state = State("TRAIN", asked.level or 0, asked.stages)
    phases, mistakes = load_phases(document, state=state), Findings()
    shaped = phases.train
    assert shaped is not None
    expect(shaped, phases.spec, mistakes)
    check_left_out(phases.spec, state, mistakes)
    mistakes.raise_if_any()
    for warning in judge(Known({"TRAIN": shaped})):
        found.add(warning)
    macs = shaped.total_macs // max(1, shaped.batch)
    return f"{counted(shaped.total_params, 'parameter')}, {counted(macs, 'MAC')} {per(shaped.unit)}"
