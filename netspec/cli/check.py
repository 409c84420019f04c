"""`netspec check`: every mistake in nets and solvers, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from netspec.cli.base import ErrorFormat, answer


def command(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE... [KEY=VALUE]...", help="Nets and solvers (files or zoo names), then values to change."
        ),
    ],
    data: Annotated[bool, typer.Option("--data", help="Open a solver's data too: shapes, counts, labels.")] = False,
    format: Annotated[ErrorFormat, typer.Option("--format", help="Form of the errors.")] = ErrorFormat.text,
) -> None:
    """Check nets and solvers, and say every mistake with its place."""
    from netspec.cli import app
    from netspec.core.errors import Findings, UsageError
    from netspec.core.locate import exists

    app.error_format[0] = format.value
    overrides = [word for word in files if "=" in word and not exists(Path(word))]
    names = [word for word in files if word not in overrides]
    if not names:
        raise UsageError("no file to check", help="name nets or solvers before the values to change")
    found, fine = Findings(), []
    for name in names:
        with found.catching():
            fine.append(_one(name, overrides, data))
    found.raise_if_any()
    answer('{"errors": []}' if format is ErrorFormat.json else "\n".join(fine) if format is ErrorFormat.text else "")


def _one(name: str, overrides: list[str], data: bool) -> str:
    """What to say of a sound file. Raises its mistakes."""
    from netspec.core import locate
    from netspec.language.extend import open_spec
    from netspec.net.load import is_net
    from netspec.training.job import load_solver

    solver = name in locate.names("solvers") and (data or name not in locate.names("models"))
    shelf: Literal["models", "solvers"] = "solvers" if solver else "models"
    document = open_spec(name, shelf)
    path = document.path
    if is_net(document):
        return _net(str(path), overrides)
    job = load_solver(str(path), overrides)
    if not data:
        return f"{path}: a sound solver for net '{job.net.name}'"
    from netspec.training.feeds import open_phase

    feeds = [feed.describe() for feed in (open_phase(job, "TRAIN", 1), open_phase(job, "TEST", 1)) if feed is not None]
    return f"{path}: a sound solver for net '{job.net.name}'; {'; '.join(feeds)}"


def _net(path: str, overrides: list[str]) -> str:
    from netspec.core.errors import Findings
    from netspec.net.infer import expect
    from netspec.net.load import load_net

    shaped = load_net(path, overrides)
    found = Findings()
    expect(shaped, found)
    found.raise_if_any()
    return f"{path}: a sound net, {shaped.total_params:,} parameters, {shaped.total_macs // max(1, shaped.batch):,} MACs an image"
