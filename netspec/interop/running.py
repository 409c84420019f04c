"""A net that is run once, for a comparison with another program: random inputs, and the answers to inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from netspec.core import rng
from netspec.engine.bind import bind, compile_net
from netspec.engine.weights import new_weights, params_by_key
from netspec.net.labels import draw_labels

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.net.graph import ParamKey
    from netspec.net.shaped import ShapedGraph

SEED = 1


def random_inputs(shaped: ShapedGraph, whole: Sequence[bool] = ()) -> list[Array]:
    """Values for each input: normal numbers, and where a layer reads them random classes.

    `whole` says of which inputs the values are whole numbers: 0 and 1, which every type of numbers has.
    """
    import numpy as np

    generator, graph = rng.generator(SEED, "inputs", str(shaped.batch)), shaped.graph
    inputs: list[Array] = [generator.normal(size=shaped.blobs[blob]).astype(np.float32) for blob in graph.inputs]
    for values, rounded in zip(inputs, whole, strict=False):
        if rounded:
            values[...] = values > 0
    axes = [shaped.batch_axes[blob] for blob in graph.inputs]
    views = [x if axis is None else np.moveaxis(x, axis, 0) for x, axis in zip(inputs, axes, strict=True)]
    draw_labels(shaped, views, generator)
    return inputs


def answers(
    shaped: ShapedGraph, arrays: Mapping[ParamKey, Array], inputs: Sequence[Array], wanted: Mapping[int, str]
) -> dict[str, Array]:
    """The blobs that are wanted, by the names that are wanted for them, of a net with these params."""
    import numpy as np

    found, memory = compile_net(shaped, "float32", tuple(wanted))
    weights = new_weights(found, "float32")
    for key, array in params_by_key(found, weights).items():
        array[...] = arrays[key]
    program = bind(found, memory, weights, SEED)
    for blob, values in zip(found.graph.inputs, inputs, strict=True):
        program.data[blob][...] = values
    program.prepare()
    program.infer()
    return {name: np.array(program.items(blob, program.data[blob])) for blob, name in wanted.items()}
