"""`netspec check`: every mistake in nets and solvers, before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli import complete
from netspec.cli.base import Code, ErrorFormat, Level, Stages, answer, asked_state, is_override
from netspec.cli.help import NETS

if TYPE_CHECKING:
    from netspec.core.nodes import Document
    from netspec.language.asked import AskedState

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
    data: Annotated[bool, typer.Option("--data", help="Open a solver's data too: shapes, counts, labels.")] = False,
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
    found, fine = Findings(), []
    for name in names:
        with found.catching():
            fine.append(_one(name, overrides, data, asked_state(net_stage, net_level)))
    found.raise_if_any()
    answer('{"errors": []}' if format is ErrorFormat.json else "\n".join(fine) if format is ErrorFormat.text else "")


def _one(name: str, overrides: list[str], data: bool, asked: AskedState) -> str:
    """The line that reports a sound file. Raises the file's mistakes."""
    from netspec.core.errors import Findings
    from netspec.language.references import open_any

    opened = open_any(name, overrides, "solvers" if data else "models", asked)
    if opened.solver is None:
        return f"{opened.title}: a sound net, {_net(opened.flat, asked)}"
    from netspec.net.wire import check_left_out
    from netspec.training.job import job_of

    found = Findings()
    job = job_of(opened, found)
    check_left_out(job.net, job.train.graph.state, found)
    found.raise_if_any()
    sound = f"{opened.title}: a sound solver for net '{job.net.name}'"
    if not data:
        return sound
    from netspec.training.feeds import open_phase

    feeds = [feed.describe() for feed in (open_phase(job, "TRAIN", 1), open_phase(job, "TEST", 1)) if feed is not None]
    return "; ".join([sound, *feeds])


def _net(document: Document, asked: AskedState) -> str:
    """The totals of a sound net. Raises its mistakes."""
    from netspec.core.errors import Findings
    from netspec.core.shape import counted
    from netspec.net.graph import State
    from netspec.net.infer import expect
    from netspec.net.load import load_phases
    from netspec.net.wire import check_left_out

    state = State("TRAIN", asked.level or 0, asked.stages)
    phases, found = load_phases(document, state=state), Findings()
    shaped = phases.train
    assert shaped is not None
    expect(shaped, phases.spec, found)
    check_left_out(phases.spec, state, found)
    found.raise_if_any()
    macs = shaped.total_macs // max(1, shaped.batch)
    return f"{counted(shaped.total_params, 'parameter')}, {counted(macs, 'MAC')} an image"
