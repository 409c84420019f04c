"""Verification of an import: onnxruntime and netspec run the same random inputs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from netspec.core.errors import UsageError
from netspec.core.shape import Shape
from netspec.interop.agreement import Difference, differences
from netspec.interop.from_onnx.convert import Imported
from netspec.interop.from_onnx.write import yaml
from netspec.interop.onnx_files import run, session

if TYPE_CHECKING:
    from netspec.core.calls import Array

SEED = 1


class BadShapeError(UsageError):
    """A shape on the command line is not like x=1x3x224x224."""

    code = "NS764"


def asked_shapes(words: Iterable[str]) -> dict[str, Shape]:
    """Shapes by input, of words like x=1x3x224x224. Raises BadShapeError."""
    shapes = {}
    for word in words:
        name, _, sizes = word.rpartition("=")
        if not name or not all(size.isdecimal() and 0 < int(size) < 2**31 for size in sizes.split("x")):
            raise BadShapeError(f"'{word}' is no shape of an input", help="say it like --shape x=1x3x224x224")
        shapes[name] = tuple(map(int, sizes.split("x")))
    return shapes


def compare(path: Path, imported: Imported) -> list[Difference]:
    """The differences of all outputs of a model and of the net that it became, on normal numbers or random indices."""
    import numpy as np

    from netspec.codegen import environment
    from netspec.core import rng
    from netspec.engine.bind import bind, compile_net
    from netspec.engine.weights import new_weights, params_by_key
    from netspec.language.document import parse
    from netspec.net.graph import State
    from netspec.net.labels import draw_labels
    from netspec.net.load import load_net

    environment.load()
    running = session(path, str(path))
    shaped = load_net(parse(yaml(imported), f"{path.stem}.yaml"), (), State("TEST"))
    graph = shaped.graph
    generator = rng.generator(SEED, "inputs")
    inputs: list[Array] = [generator.normal(size=shaped.blobs[blob]).astype(np.float32) for blob in graph.inputs]
    draw_labels(shaped, inputs, generator)
    given = {graph.blobs[blob].name: values for blob, values in zip(graph.inputs, inputs, strict=True)}
    types = {one.name: "int64" if "int" in one.type else "float32" for one in running.get_inputs()}
    theirs = run(running, {name: values.astype(types[name]) for name, values in given.items()}, str(path))
    shaped, memory = compile_net(shaped, "float32", tuple(theirs))
    weights = new_weights(shaped, "float32")
    for key, array in params_by_key(shaped, weights).items():
        array[...] = imported.weights[key]
    program = bind(shaped, memory, weights, SEED)
    for blob, values in zip(shaped.graph.inputs, inputs, strict=True):
        program.data[blob][...] = values
    program.prepare()
    program.infer()
    blobs = {name: shaped.graph.latest(name).index for name in theirs}
    ours = {name: np.array(program.items(blob, program.data[blob])) for name, blob in blobs.items()}
    return differences("random samples", ours, theirs)
