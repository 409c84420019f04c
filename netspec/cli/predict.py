"""`netspec predict`: what a trained net says of new samples."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from netspec.cli import complete
from netspec.cli.base import Best, Code, Ema, Swa, TableFormat, Threads, answer, err, told_of_compiling
from netspec.cli.help import TRAINING
from netspec.core.locate import expanded

if TYPE_CHECKING:
    from netspec.training.answering.predicting import Predictions
    from netspec.training.answering.trained import Trained

PANEL = TRAINING
EXAMPLE = "netspec predict runs/lenet-1 photo.png more_photos/"

_SAID = 20
"""Most errors about inputs that are shown; more are counted."""


Model = Annotated[
    str, typer.Argument(metavar="RUN|SNAPSHOT", help="Run folder, or a snapshot.", autocompletion=complete.runs)
]
Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[INPUT]...", help="Images, folders of images, tables, .npy files; - for stdin.", show_default=False
    ),
]
Top = Annotated[int, typer.Option("--top", "-k", min=1, help="Classes to show of each input.")]
More = Annotated[
    list[str] | None,
    typer.Option("--with", metavar="RUN|SNAPSHOT", help="Another net whose answers are averaged in; repeatable."),
]
Crops = Annotated[int, typer.Option(metavar="1|10", help="Windows of each image; 10: corners, middle, mirrored.")]
Blob = Annotated[str | None, typer.Option(metavar="NAME", help="Give this blob in place of the answer.")]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE", parser=expanded, help="Write to a .csv, .json, .md or .npy."),
]
Length = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Write N characters with a net that predicts the next one.")
]
Start = Annotated[str, typer.Option(metavar="TEXT", help="Text that --generate goes on with.")]
Temperature = Annotated[
    float, typer.Option(min=0, help="How freely --generate draws; 0 takes the likeliest character.")
]
BatchSize = Annotated[int | None, typer.Option(min=1, help="Samples that are computed together.")]


def command(
    model: Model,
    inputs: Inputs = None,
    top: Top = 3,
    more: More = None,
    crops: Crops = 1,
    blob: Blob = None,
    output: Output = None,
    best: Best = False,
    ema: Ema = False,
    swa: Swa = False,
    generate: Length = None,
    start: Start = "",
    temperature: Temperature = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Other seeds draw other texts.")] = 1,
    batch: BatchSize = None,
    threads: Threads = None,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the answers.")] = TableFormat.table,
) -> None:
    """Classify images or rows, predict their values, or go on writing a text, with a trained net.

    The transforms, the classes and the net are those of the training. Inputs that cannot be read are reported at the
    end, with exit code 4.
    """
    from netspec.codegen import environment
    from netspec.core.errors import UsageError
    from netspec.training.averaging import kind_of
    from netspec.views.predictions import form_of

    if generate is None and not inputs:
        raise UsageError("predict for what?", help="name images, a folder, a table or a .npy file, or say --generate N")
    if output is not None:
        form_of(output)  # before anything is computed
    environment.load()
    from netspec.codegen import driver

    driver.limit_threads(threads)
    average = kind_of(ema, swa)
    nets = [_trained(word, best, blob, average) for word in (model, *(more or ()))]
    if generate is not None:
        _write(nets[0], generate, start, temperature, seed, format)
        return
    from netspec.training.answering.predicting import Predictor

    with told_of_compiling(err()):
        found = Predictor(nets, crops, batch).predict(inputs or (), sys.stdin.buffer)
    _answer(found, format, top, output)


def _trained(word: str, best: bool, blob: str | None, average: str | None) -> Trained:
    """The net of a run folder or a snapshot."""
    from netspec.core.errors import UsageError
    from netspec.training import folders
    from netspec.training.answering.trained import Trained

    path = folders.named(word)
    if not path.exists():
        raise UsageError(f"there is no run or snapshot '{word}'", help="`netspec runs list` shows the runs")
    weights = folders.weights_for(path, path, best)
    return Trained(weights, blob, average)


def _write(net: Trained, length: int, start: str, temperature: float, seed: int, format: TableFormat) -> None:
    """Print the characters of a text as they come; with `--format json` all at once."""
    from netspec.training.answering.generating import generate

    with told_of_compiling(err()):
        pieces = generate(net, length, start, temperature, seed)
        first = next(pieces)
    if format is TableFormat.json:
        answer(
            json.dumps({"start": start, "text": "".join(pieces), "temperature": temperature, "seed": seed}, indent=2)
        )
        return
    sys.stdout.write(first)
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    answer("")


def _answer(found: Predictions, format: TableFormat, top: int, output: Path | None) -> None:
    """Print the answers, or write them to a file; then raise what was wrong with inputs."""
    from netspec.core.errors import DataError, Mistakes
    from netspec.core.shape import counted
    from netspec.views import predictions

    if output is not None:
        predictions.save(found, output, top)
        err().print(f"{counted(len(found), 'answer')} written to {output}")
    elif len(found.errors) < len(found) or format is TableFormat.json:
        answer(predictions.form(found, format.value, top))
    if found.errors and format is TableFormat.json and output is None:
        raise typer.Exit(DataError.exit_code)  # the errors stand in the answer
    if found.errors:
        errors = list(found.errors.values())
        raise errors[0] if len(errors) == 1 else Mistakes(errors[:_SAID], len(errors[_SAID:]))
