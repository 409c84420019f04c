"""`netspec show`: filters, activations, saliency, an embedding or decision regions of a trained net, as a picture."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from netspec.cli import complete
from netspec.cli.base import Best, Code, Ema, Feed, Swa, Threads, answer, err, output_file, told_of_compiling
from netspec.cli.help import TRUST
from netspec.core.locate import expanded

PANEL = TRUST
EXAMPLE = "netspec show runs/lenet-1 filters"


class Kind(StrEnum):
    """What there is to show."""

    filters = "filters"
    activations = "activations"
    saliency = "saliency"
    embedding = "embedding"
    regions = "regions"


Model = Annotated[
    str,
    typer.Argument(
        metavar="RUN|SNAPSHOT|NET",
        help="Run folder or snapshot; with --weights a net or solver.",
        autocompletion=complete.runs,
    ),
]
What = Annotated[Kind, typer.Argument(metavar="KIND", help="filters, activations, saliency, embedding or regions.")]
Output = Annotated[
    Path | None,
    output_file("A .png, .svg or .pdf, or a .npz with the numbers; left out: RUN/show/KIND.png."),
]
Layers = Annotated[
    list[str] | None,
    typer.Option("--layer", metavar="NAME", help="Layer to show; activations take several."),
]
Blob = Annotated[str | None, typer.Option(metavar="NAME", help="Blob of the embedding.")]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="FILE|N", help="A file, or a sample by number; saliency takes several."),
]
Class = Annotated[
    str | None, typer.Option("--class", metavar="NAME", help="Class whose score is looked at; left out: the answer's.")
]
Samples = Annotated[int | None, typer.Option(min=2, help="Samples of an embedding, points over regions; 1,000.")]
Each = Annotated[bool, typer.Option("--each", help="A scale of its own for each filter.")]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights",
        metavar="FILE",
        parser=expanded,
        help="Weights of a net or solver: a snapshot, a .caffemodel, a run.",
    ),
]


def command(
    model: Model,
    kind: What,
    output: Output = None,
    layer: Layers = None,
    blob: Blob = None,
    inputs: Inputs = None,
    wanted: Class = None,
    samples: Samples = None,
    each: Each = False,
    on: Feed = None,
    weights: Weights = None,
    best: Best = False,
    ema: Ema = False,
    swa: Swa = False,
    threads: Threads = None,
    code: Code = None,
) -> None:
    """Draw filters, activations, saliency, an embedding or decision regions of a trained net.

    filters: the weights of a layer. activations: what the layers make of a sample. saliency: which values of a sample
    move the score of a class. embedding: samples in the two dimensions in which a blob differs most. regions: the
    answers of a net with two inputs all over the plane.
    """
    from netspec.codegen import environment
    from netspec.core.visible import visible
    from netspec.pictures.showing import Asked, show
    from netspec.study.shown import Shown
    from netspec.training.averaging import kind_of

    environment.load()
    from netspec.codegen import driver

    driver.limit_threads(threads)
    asked = Asked(tuple(layer or ()), blob, tuple(inputs or ()), wanted, samples, on, each)
    console = err()
    with told_of_compiling(console):
        shown = Shown(model, weights, best, kind_of(ema, swa))
        path, said = show(shown, kind.value, output, asked)
    if weights is not None and shown.report is not None:
        console.print(str(shown.report), soft_wrap=True)
    answer(visible(f"{path}: {said}"))
