"""`netspec data`: looks at the data of a solver or of a folder."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli import complete
from netspec.cli.base import Code, TableFormat, answer, err, is_live, width
from netspec.cli.help import TRAINING, example
from netspec.core.locate import expanded
from netspec.survey.convert import Form

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from netspec.survey.sets import Sample
    from netspec.survey.survey import Survey

PANEL = TRAINING

group = typer.Typer(
    no_args_is_help=True, help="Look at data before a training.", epilog=example("netspec data check photos/")
)

Where = Annotated[
    str,
    typer.Argument(
        metavar="SOLVER|FOLDER",
        help="Solver file, zoo name, run folder, or a folder of images.",
        autocompletion=complete.solvers,
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Values of the solver to change.", show_default=False),
]
On = Annotated[
    list[str] | None, typer.Option("--on", metavar="FEED", help="Only this set; may be said more than once.")
]
OneOf = Annotated[str | None, typer.Option("--on", metavar="FEED", help="Set; left out: the first.")]
Shown = Annotated[TableFormat, typer.Option("--format", help="Form of the answer.")]


@group.command(epilog=example("netspec data check lenet"))
def check(
    where: Where,
    overrides: Overrides = None,
    on: On = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 6 where anything is found.")] = False,
    code: Code = None,
    format: Shown = TableFormat.table,
) -> None:
    """Find samples that are broken, twins and leaks, classes without samples, and columns that say nothing."""
    from netspec.survey.findings import findings
    from netspec.views.survey import findings_view

    samples, surveys = _surveys(where, overrides, on)
    found = findings(samples, surveys)
    answer(findings_view(surveys, found).form(format.value, width(sys.stdout)))
    if strict and found:
        raise typer.Exit(6)


@group.command(epilog=example("netspec data stats lenet"))
def stats(
    where: Where, overrides: Overrides = None, on: On = None, code: Code = None, format: Shown = TableFormat.table
) -> None:
    """Show counts and shares of classes, sizes, means and deviations."""
    from netspec.views.survey import survey_view

    samples, surveys = _surveys(where, overrides, on)
    names = samples[surveys[0].name].data.classes(1)
    answer(survey_view(surveys, names).form(format.value, width(sys.stdout)))


@group.command(epilog=example("netspec data show lenet -o samples.png"))
def show(
    where: Where,
    overrides: Overrides = None,
    on: OneOf = None,
    number: Annotated[int, typer.Option("--number", "-n", min=1, max=1000, help="Samples.")] = 40,
    columns: Annotated[int, typer.Option("--columns", min=1, help="Samples in a row.")] = 8,
    start: Annotated[int, typer.Option("--start", min=0, help="Position of the first, through all epochs.")] = 0,
    output: Annotated[Path, typer.Option("--output", "-o", parser=expanded, help="The PNG.")] = Path("samples.png"),
    code: Code = None,
) -> None:
    """Draw samples as a net sees them, after their transforms, with their classes: one PNG."""
    from netspec.survey.sets import sets
    from netspec.survey.sheet import save, sheet

    sample = next(iter(sets(where, overrides or [], [on] if on else None).values()))
    save(sheet(sample, number, columns, start), output)
    answer(str(output))


@group.command(epilog=example("netspec data convert lenet --on train --to lmdb -o train_lmdb"))
def convert(
    where: Where,
    to: Annotated[Form, typer.Option("--to", help="Form: arrays, HDF5, Caffe's LMDB, or a folder of PNGs a class.")],
    output: Annotated[Path, typer.Option("--output", "-o", parser=expanded, help="The file or folder to make.")],
    overrides: Overrides = None,
    on: OneOf = None,
    code: Code = None,
) -> None:
    """Write the samples of a set, as they are stored, in another form."""
    from rich.progress import Progress

    from netspec.survey.convert import convert as write
    from netspec.survey.sets import sets

    sample = next(iter(sets(where, overrides or [], [on] if on else None).values()))
    console = err()
    with Progress(console=console, disable=not is_live(console), transient=True) as bar:
        write(sample.data, to, output, partial(_show, bar, bar.add_task(sample.name, total=len(sample.data))))
    answer(str(output))


@group.command("mean", epilog=example("netspec data mean lenet -o mean.binaryproto"))
def mean_(
    where: Where,
    output: Annotated[
        Path, typer.Option("--output", "-o", parser=expanded, help="A .binaryproto as Caffe has it, or a .npy.")
    ],
    overrides: Overrides = None,
    on: OneOf = None,
    code: Code = None,
) -> None:
    """Write the mean over the samples of a set, as they are stored."""
    from netspec.survey.mean import mean, save
    from netspec.survey.sets import sets

    sample = next(iter(sets(where, overrides or [], [on] if on else None).values()))
    save(mean(sample.data), output)
    answer(str(output))


def _surveys(where: str, overrides: list[str] | None, on: list[str] | None) -> tuple[dict[str, Sample], list[Survey]]:
    """The sets, and what a look at each sample of each finds; how far it is stands on a terminal."""
    from rich.progress import Progress

    from netspec.survey.sets import sets
    from netspec.survey.survey import survey

    samples, console = sets(where, overrides or [], on), err()
    with Progress(console=console, disable=not is_live(console), transient=True) as bar:
        found = []
        for name, sample in samples.items():
            task = bar.add_task(f"{name} {len(sample.data):,}", total=len(sample.data))
            found.append(survey(name, sample.data, partial(_show, bar, task)))
    return samples, found


def _show(bar: Progress, task: TaskID, done: int) -> None:
    bar.update(task, completed=done)
