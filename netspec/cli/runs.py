"""`netspec runs`: the trainings in a folder, by their best score, with what differs between their settings."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netspec.cli import complete
from netspec.cli.base import TableFormat, answer, err, width
from netspec.cli.help import TRAINING, example
from netspec.core.locate import expanded

if TYPE_CHECKING:
    from netspec.training.runs import RunRecord
    from netspec.training.summary import Summary

PANEL = TRAINING

group = typer.Typer(
    invoke_without_command=True,
    help="List, show and compare trainings; `netspec runs` alone lists them.",
    epilog=example("netspec runs compare lenet-1 lenet-2"),
)


class ModeChoice(StrEnum):
    """Whether the best value of a metric is its lowest or its highest."""

    min = "min"
    max = "max"


Metric = Annotated[
    str | None,
    typer.Option("--metric", metavar="NAME", help="Score, like test/accuracy; left out: that of each training."),
]
Mode = Annotated[
    ModeChoice | None,
    typer.Option("--mode", help="Whether the highest or lowest is best; left out: the lowest of a loss."),
]
Format = Annotated[TableFormat, typer.Option("--format", help="Form of the answer.")]


@group.callback()
def main(context: typer.Context) -> None:
    """List the runs where no subcommand is named."""
    if context.invoked_subcommand is None:
        list_()


@group.command("list", epilog=example("netspec runs list --where status=done --sort seconds"))
def list_(
    folder: Annotated[
        Path | None,
        typer.Argument(metavar="[DIR]", parser=expanded, help="Folder of run folders; left out: runs/."),
    ] = None,
    sort: Annotated[str, typer.Option("--sort", metavar="KEY", help="Column or setting; the best run first.")] = "best",
    where: Annotated[
        list[str] | None,
        typer.Option("--where", metavar="KEY=VALUE", help="Only runs with this value; may be said more than once."),
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="The last of that order first.")] = False,
    metric: Metric = None,
    mode: Mode = None,
    format: Format = TableFormat.table,
) -> None:
    """List the runs by their best score, with the settings in which they differ."""
    from netspec.core.locate import runs_folder
    from netspec.training.crossval import fold_runs, is_crossval
    from netspec.training.summary import arranged, differing
    from netspec.views.runs import runs_view

    root = folder or runs_folder()
    found: list[tuple[Summary, RunRecord]] = []
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        for path in fold_runs(folder) if is_crossval(folder) else [folder] if folder.is_dir() else ():
            with _left_out(path):
                found.append(_summarized(path, metric, mode))
    if not found:
        err().print(f"no runs in '{root}'")
    found = arranged(found, sort, where or [], reverse)
    settings = differing([record.config for _, record in found])
    rows = [(run, values) for (run, _), values in zip(found, settings, strict=True)]
    answer(runs_view(rows).form(format.value, width(sys.stdout)))


@group.command(epilog=example("netspec runs show lenet-1"))
def show(
    run: Annotated[str, typer.Argument(metavar="RUN", help="Run folder, or its name.", autocompletion=complete.runs)],
    metric: Metric = None,
    mode: Mode = None,
    format: Format = TableFormat.table,
) -> None:
    """Show the tests of a run, what it came to, and charts of its loss and score."""
    from netspec.training.events import Display, Tested
    from netspec.training.figures import figures
    from netspec.training.folders import named
    from netspec.views.runs import run_view

    found, record = _summarized(named(run), metric, mode)
    tests = [figures(event) for event in record.events if isinstance(event, Tested)]
    losses = [(event.iteration, event.loss) for event in record.events if isinstance(event, Display)]
    wide = width(sys.stdout)
    answer(run_view(found, tests, record.config, losses, wide).form(format.value, wide))


@group.command(epilog=example("netspec runs compare lenet-1 lenet-2"))
def compare(
    runs: Annotated[
        list[str], typer.Argument(metavar="RUN...", help="Run folders, or names.", autocompletion=complete.runs)
    ],
    metric: Metric = None,
    mode: Mode = None,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", parser=expanded, help="Write a page with curves and nets instead."),
    ] = None,
    format: Format = TableFormat.table,
) -> None:
    """Show runs side by side: what they came to, and the settings in which they differ."""
    from netspec.core.errors import UsageError
    from netspec.training.crossval import named_runs
    from netspec.training.summary import differing
    from netspec.views.runs import compared_view

    found = [_summarized(path, metric, mode) for path in named_runs(runs)]
    if html is not None:
        from netspec.report.compare import write_comparison

        if format is not TableFormat.table:
            raise UsageError("`--html` writes a page, and `--format` chooses how to print", help="leave one out")
        write_comparison(html, found)
        answer(str(html))
        return
    settings = differing([record.config for _, record in found])
    rows = [(run, values) for (run, _), values in zip(found, settings, strict=True)]
    answer(compared_view(rows).form(format.value, width(sys.stdout)))


def _summarized(path: Path, metric: str | None, mode: ModeChoice | None) -> tuple[Summary, RunRecord]:
    from netspec.training.summary import summarized

    word: Any = mode and mode.value
    return summarized(path, metric, word)


@contextmanager
def _left_out(path: Path) -> Iterator[None]:
    """Say on standard error why a folder is not listed; it hides none of the others."""
    from netspec.core.errors import NetspecError

    try:
        yield
    except NetspecError as error:
        for each in error.errors():
            err().print(f"'{path}' is left out: {each.message}", soft_wrap=True)
    except OSError as error:
        err().print(f"'{path}' is left out: {error.strerror}", soft_wrap=True)
