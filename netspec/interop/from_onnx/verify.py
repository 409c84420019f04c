"""Verification of an import: onnxruntime and netspec run the same random inputs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from netspec.core.errors import UsageError
from netspec.core.shape import Shape
from netspec.interop.agreement import Difference, differences
from netspec.interop.from_onnx.convert import Imported
from netspec.interop.from_onnx.write import yaml
from netspec.interop.onnx_files import run, session

TYPES = {
    **{f"tensor({word})": word for word in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
    "tensor(bool)": "bool",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
}
"""NumPy's words for onnxruntime's types of inputs, but for its float."""


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
    """The differences of all outputs of a model and of the net that it became, on normal numbers or random indices.

    Inputs that the model takes as whole numbers get these.
    """
    import numpy as np

    from netspec.codegen import environment
    from netspec.interop.running import answers, random_inputs
    from netspec.language.document import parse
    from netspec.net.graph import State
    from netspec.net.load import load_net

    environment.load()
    running = session(path, str(path))
    shaped = load_net(parse(yaml(imported), f"{path.stem}.yaml"), (), State("TEST"))
    graph = shaped.graph
    types = {one.name: np.dtype(TYPES.get(one.type, "float32")) for one in running.get_inputs()}
    names = [graph.blobs[blob].name for blob in graph.inputs]
    inputs = random_inputs(shaped, [types[name].kind != "f" for name in names])
    given = {name: values.astype(types[name]) for name, values in zip(names, inputs, strict=True)}
    for one in running.get_inputs():
        if one.name not in given:  # nothing reads it
            sizes = [size if isinstance(size, int) else shaped.batch for size in one.shape]
            given[one.name] = np.zeros(sizes, types[one.name])
    theirs = run(running, given, str(path))
    wanted = {graph.latest(name).index: name for name in theirs}
    return differences("random samples", answers(shaped, imported.weights, inputs, wanted), theirs)
