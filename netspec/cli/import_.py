"""`netspec import`: a net of another program, and its weights, as netspec's files."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from netspec.cli.base import answer, err, told_of_compiling
from netspec.cli.help import EXCHANGE, example
from netspec.core.locate import expanded

PANEL = EXCHANGE

group = typer.Typer(
    no_args_is_help=True,
    help="Turn a net of another program into netspec's files.",
    epilog=example("netspec import caffe deploy.prototxt -o net.yaml"),
)


class Form(StrEnum):
    """Forms of what an import says."""

    text = "text"
    json = "json"


Force = Annotated[bool, typer.Option("--force", "-f", help="Write over files that exist.")]


@group.command(epilog=example("netspec import caffe deploy.prototxt --weights vgg.caffemodel -o vgg.yaml"))
def caffe(
    file: Annotated[Path, typer.Argument(metavar="PROTOTXT", parser=expanded, help="Net or solver of Caffe.")],
    weights: Annotated[
        Path | None,
        typer.Option("--weights", metavar="FILE", parser=expanded, help="Its .caffemodel or .caffemodel.h5."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", parser=expanded, help="YAML to write; left out: shown."),
    ] = None,
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Keep layers and fields of unknown forks as they stand.")
    ] = False,
    compact: Annotated[
        bool, typer.Option("--compact", help="Fold what repeats into defaults and blocks; names stay.")
    ] = False,
    force: Force = False,
    format: Annotated[Form, typer.Option("--format", help="Form of what is said of the import.")] = Form.text,
) -> None:
    """Turn a prototxt of Caffe, of any version, into YAML, and its weights into safetensors.

    Every command takes prototxts and caffemodels as they are; an import is for those who want to work on in YAML.
    """
    import json

    from netspec.core.errors import UsageError
    from netspec.interop.from_caffe import convert_weights, imported
    from netspec.interop.places import places
    from netspec.training.container import write_whole

    if weights is not None and output is None:
        raise UsageError("weights need a place", help="say `-o net.yaml`: they go to net.safetensors")
    paths = [] if output is None else places(output, weights is not None, force)
    found = imported(file, output.parent if output is not None else Path(), lenient, compact)
    if output is None:
        answer(json.dumps(found.record(), indent=2) if format is Form.json else found.text.rstrip("\n"))
        return
    record, lines = found.record() | {"written": str(output)}, [f"wrote {output}: {found}"]
    if weights is not None:
        report = convert_weights(file, weights, paths[1])
        record |= {"weights": str(paths[1]), "loaded": len(report.loaded)}
        lines += [f"wrote {paths[1]}: {row}" if number == 0 else row for number, row in enumerate(report.rows)]
    write_whole(output, found.text.encode())
    lines += [f"{note.at}: {note.text}" for note in found.notes]
    lines += [f"{fault.at}: it does not run: {fault.message}" for fault in found.faults]
    answer(json.dumps(record, indent=2) if format is Form.json else "\n".join(lines))


@group.command("onnx", epilog=example("netspec import onnx resnet18.onnx -o resnet18.yaml --verify"))
def onnx_(
    file: Annotated[Path, typer.Argument(metavar="MODEL", parser=expanded, help="Model, an .onnx file.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", parser=expanded, help="YAML to write, its weights beside; or it is shown."
        ),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Batch size to write where the model leaves it open.")] = 1,
    shape: Annotated[
        list[str] | None,
        typer.Option("--shape", metavar="INPUT=NxCxHxW", help="Shape of an input that the model leaves open."),
    ] = None,
    force: Force = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Run random samples here and in onnxruntime, and compare.")
    ] = False,
    format: Annotated[Form, typer.Option("--format", help="Form of what is said of the import.")] = Form.text,
) -> None:
    """Turn an ONNX model into a net in YAML and its weights, or say of every node what lacks.

    With --output net.yaml the weights go to net.safetensors. Files beside the model that hold its weights are read too.
    """
    import json

    from netspec.interop.agreement import check
    from netspec.interop.from_onnx.convert import convert
    from netspec.interop.from_onnx.verify import asked_shapes, compare
    from netspec.interop.from_onnx.write import record, save, told, yaml

    found = convert(file, batch, asked_shapes(shape or ()))
    paths = save(found, output, force) if output is not None else []
    if verify:
        with told_of_compiling(err()):
            differences = compare(file, found)
    else:
        differences = []
    if format is Form.json:
        answer(json.dumps(record(found, paths, differences), indent=2))
    elif paths:
        answer(
            "\n".join([f"wrote {paths[0]}: {found}", *(f"wrote {each}" for each in paths[1:]), *map(told, differences)])
        )
    else:
        answer("\n".join([yaml(found).rstrip("\n"), *(f"# {told(each)}" for each in differences)]))
    check(differences, "onnxruntime")
