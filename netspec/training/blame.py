"""Blame: finds the first layer and blob of an iteration that is not finite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from netspec.core.errors import DivergedError
from netspec.engine.bind import bind, compile_net
from netspec.engine.program import Program

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.net.shaped import ShapedGraph

Suspect = tuple[str, "Array", str]
"""A description of an array for an error, the array, and the help line if it is not finite."""


class NotFiniteLossError(DivergedError):
    """A loss or gradient stopped being finite; the message names the first layer and blob that went bad."""

    code = "NS504"


def blame(
    net: ShapedGraph, program: Program, seed: int, iteration: int, batches: Iterable[Sequence[Array]]
) -> NotFiniteLossError:
    """Repeat an iteration on its batches with every blob kept; the error that names the first array not finite.

    `net` is the training net before it was compiled, `program` its program, with weights as before the iteration.
    """
    for name, array, advice in _suspects(net, program, seed, iteration, batches):
        found = _judge(name, array)
        if found is not None:
            return NotFiniteLossError(f"iteration {iteration}: {found}", help=advice)
    return NotFiniteLossError(
        f"iteration {iteration}: the sum of squared gradients is too large to be a number", help=_DIVERGED
    )


def _suspects(
    net: ShapedGraph, program: Program, seed: int, iteration: int, batches: Iterable[Sequence[Array]]
) -> Iterator[Suspect]:
    """Every array of an iteration as soon as it is computed: params, then blobs and gradients of each batch."""
    weights = program.weights
    kept = bind(*compile_net(net, program.plan.dtype, keep=True), weights, seed)
    weights.flat_diff[:] = 0
    for name, array in zip(weights.names, weights.data, strict=True):
        yield f"param '{name}'", array, _DIVERGED
    for sub, batch in enumerate(batches):
        for mine, theirs in zip(kept.inputs, batch, strict=True):
            mine[...] = theirs
        kept.clock[:] = (iteration, sub)
        yield from _forward(kept)
        yield from _backward(kept)


def _forward(kept: Program) -> Iterator[Suspect]:
    graph = kept.graph
    for node in graph.nodes:
        kept.run_node("forward", node.index)
        advice = _BAD_DATA if node.layer.fed else _DIVERGED
        for top in node.tops:
            name = f"blob '{graph.blobs[top].name}' of layer '{node.layer.name}' ({node.layer.type})"
            yield name, kept.data[top], advice


def _backward(kept: Program) -> Iterator[Suspect]:
    graph = kept.graph
    for node in reversed(graph.nodes):
        kept.run_node("seed", node.index)
        kept.run_node("backward", node.index)
        layer = f"layer '{node.layer.name}' ({node.layer.type})"
        for bottom, wanted in zip(node.bottoms, node.propagate, strict=True):
            diff = kept.diff[bottom]
            if wanted and diff is not None:
                yield f"the gradient of blob '{graph.blobs[bottom].name}', from {layer},", diff, _DIVERGED
        for param in node.params:
            diff = kept.weights.diff[param]
            if diff is not None:
                yield f"the gradient of param '{graph.params[param].name}' in {layer}", diff, _DIVERGED


def _judge(name: str, array: Array) -> str | None:
    """The words for an array that holds NaN or infinity; None if it is finite."""
    import numpy as np

    bad = ~np.isfinite(array)
    if not bad.any():
        return None
    first = array[tuple(np.argwhere(bad)[0])] if array.ndim else array[()]
    if array.size == 1:
        return f"{name} is {first}"
    return f"{name} is not finite: {int(bad.sum()):,} of {array.size:,} values, the first {first}"


_BAD_DATA = "the data hold it, or a transform makes it; the rate has no part in it"


_DIVERGED = "lower base_lr, set clip_gradients, or check the data's scale; weights are as before this iteration"
