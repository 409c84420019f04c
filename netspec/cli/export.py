"""`netspec export`: a net and its weights as files of another program."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from netspec.cli import complete
from netspec.cli.base import (
    Best,
    Code,
    Deploy,
    Ema,
    Level,
    Overrides,
    Stages,
    Swa,
    TableFormat,
    answer,
    asked_state,
    err,
    told_of_compiling,
    width,
)
from netspec.cli.help import EXCHANGE, example
from netspec.core.locate import expanded

PANEL = EXCHANGE

group = typer.Typer(
    no_args_is_help=True,
    help="Write a net and its weights for another program.",
    epilog=example("netspec export onnx lenet -o lenet.onnx"),
)


class Dialect(StrEnum):
    """Caffe itself, or with the layers of its forks."""

    bvlc = "bvlc"
    forks = "forks"


class Listing(StrEnum):
    """Forms of a list of files."""

    text = "text"
    json = "json"


Source = Annotated[
    str,
    typer.Argument(
        metavar="NET|SOLVER|RUN|SNAPSHOT",
        help="A path, a zoo name or a run folder; a net alone gets the weights of its fillers.",
        autocompletion=complete.specs,
    ),
]
WeightsFile = Annotated[
    Path | None, typer.Option("--weights", metavar="FILE", parser=expanded, help="Weights in place of a run's own.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Other seeds fill a net without weights with others.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Write over files that exist.")]
Shown = Annotated[Listing, typer.Option("--format", help="Form of the answer.")]


@group.command(epilog=example("netspec export caffe runs/lenet-1 --deploy -o lenet"))
def caffe(
    source: Source,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="PREFIX", parser=expanded, help="What the files' names begin with."),
    ],
    overrides: Overrides = None,
    deploy: Deploy = False,
    weights: WeightsFile = None,
    seed: Seed = 1,
    dialect: Annotated[Dialect, typer.Option(help="Caffe's own layers, or those of its forks too.")] = Dialect.bvlc,
    lmdb: Annotated[
        bool, typer.Option("--lmdb", help="Data layers for databases that `netspec data convert` then makes.")
    ] = False,
    best: Best = False,
    ema: Ema = False,
    swa: Swa = False,
    net_stage: Stages = None,
    net_level: Level = None,
    force: Force = False,
    code: Code = None,
    format: Shown = Listing.text,
) -> None:
    """Write PREFIX.prototxt and PREFIX.caffemodel; of a solver PREFIX_solver.prototxt, of a run its .solverstate.

    A layer that Caffe does not have becomes several of Caffe's where that is exact; others are refused, all at once.
    """
    from netspec.interop.to_caffe.export import Wanted, export
    from netspec.training.averaging import kind_of

    written = export(
        Wanted(
            source,
            output,
            overrides or [],
            asked_state(net_stage, net_level),
            weights,
            deploy,
            dialect is Dialect.forks,
            seed,
            best,
            kind_of(ema, swa),
            force,
            lmdb,
        )
    )
    _answer(written.paths, written.notes, format)


def _answer(paths: Sequence[Path], notes: Sequence[str], format: Listing) -> None:
    """Print the files that were written; notes go to stderr."""
    if format is Listing.json:
        answer(json.dumps({"files": [str(path) for path in paths], "notes": list(notes)}, indent=2))
        return
    _note(notes)
    answer("\n".join(str(path) for path in paths))


def _note(notes: Sequence[str]) -> None:
    """Print what is to be said of files that were written."""
    for note in notes:
        err().print(f"note: {note}", soft_wrap=True)


@group.command(epilog=example("netspec export npz runs/lenet-1 -o lenet.npz"))
def npz(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", parser=expanded, help="The .npz file.")],
    overrides: Overrides = None,
    deploy: Deploy = False,
    weights: WeightsFile = None,
    seed: Seed = 1,
    best: Best = False,
    ema: Ema = False,
    swa: Swa = False,
    net_stage: Stages = None,
    net_level: Level = None,
    force: Force = False,
    code: Code = None,
    format: Shown = Listing.text,
) -> None:
    """Write the params of a net as a NumPy archive, each as an array LAYER.PARAM."""
    from netspec.core.outputs import refuse_existing
    from netspec.interop.exported import exported
    from netspec.interop.to_npz import save
    from netspec.training.averaging import kind_of

    if not force:
        refuse_existing(output, "say --force to write over it")
    asked = asked_state(net_stage, net_level)
    net = exported(source, overrides or (), asked, weights, best, kind_of(ema, swa))
    held = (net.deployed() if deploy else net).values(seed)
    save(output, held.arrays)
    _answer((output,), ("the weights are those of fillers",) if held.report is None else held.report.rows[1:], format)


@group.command("onnx", epilog=example("netspec export onnx runs/lenet-1 -o lenet.onnx --verify"))
def onnx_(
    source: Source,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", parser=expanded, help="The .onnx file.")],
    overrides: Overrides = None,
    weights: WeightsFile = None,
    best: Best = False,
    ema: Ema = False,
    swa: Swa = False,
    fold: Annotated[
        bool, typer.Option("--fold", help="Take each BatchNorm and Scale into the weights before it.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Run random and test samples here and in onnxruntime, and compare.")
    ] = False,
    net_stage: Stages = None,
    net_level: Level = None,
    force: Force = False,
    code: Code = None,
    format: Annotated[TableFormat, typer.Option("--format", help="Form of the answer.")] = TableFormat.table,
) -> None:
    """Write the net as it predicts as an ONNX model, for batches of any size.

    Losses, scores and labels are left out. Layers that ONNX has no operators for are named.
    """
    from netspec.codegen import environment
    from netspec.core.outputs import refuse_existing
    from netspec.interop.agreement import check
    from netspec.interop.exported import exported
    from netspec.interop.to_onnx.model import onnx_model, save
    from netspec.interop.to_onnx.verify import compare, samples
    from netspec.training.averaging import kind_of
    from netspec.views.agreement import agreement_view

    if not force:
        refuse_existing(output, "say another --output, or --force to write over it; nothing was written")
    asked = asked_state(net_stage, net_level)
    net = exported(source, overrides or (), asked, weights, best, kind_of(ema, swa)).deployed()
    environment.load()
    with told_of_compiling(err()):
        held = net.weighted(net.shaped)
        model = onnx_model(net, held.arrays, fold)
        save(model, output)
        real, note = samples(net, model, source, overrides or (), asked) if verify else (None, "")
        found = compare(net, held.arrays, model, real, output) if verify else []
    origin = "the weights are those of the fillers" if held.report is None else str(held.report)
    notes = [text for text in (origin, *model.notes, note) if text]
    if format is not TableFormat.json:
        _note(notes)
    answer(agreement_view(found, str(output), notes).form(format.value, width(sys.stdout)))
    check(found, "onnxruntime")
