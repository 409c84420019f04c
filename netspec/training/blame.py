"""Blame: finds the first layer and blob of an iteration, or of a test's batch, that is not finite, and its sample."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from netspec.core.errors import DivergedError, NetspecError
from netspec.data.labels import BadLabelError, allowed, classes, fault
from netspec.engine.bind import bind, compile_net
from netspec.engine.program import Program
from netspec.net.graph import Node
from netspec.net.labels import LabelReader, label_readers

if TYPE_CHECKING:
    from netspec.core.calls import Array, Arrays
    from netspec.net.shaped import ShapedGraph


class NotFiniteLossError(DivergedError):
    """A loss or gradient stopped being finite; the message names the first layer and blob that went bad."""

    code = "NS504"


class NotFiniteScoreError(DivergedError):
    """A score is not finite; the message names the first layer and blob that went bad, and the sample."""

    code = "NS506"


class Fed(NamedTuple):
    """A batch to repeat: its arrays, one for each input; the name of its sample n in input i; the clock when it ran."""

    arrays: Arrays
    name: Callable[[int, int], str]
    clock: tuple[int, int]


class Suspect(NamedTuple):
    """An array, its description, the help line if it is not finite, and words for the sample of one of its values."""

    what: str
    array: Array
    help: str
    sample: Callable[[tuple[int, ...]], str] = lambda index: ""


def blame(net: ShapedGraph, program: Program, seed: int, iteration: int, batches: Iterable[Fed]) -> NetspecError:
    """Repeat an iteration on its batches with every blob kept; the error that names the first array not finite.

    `net` is the training net before it was compiled, `program` its program, with weights as before the iteration. They
    stay so: layers store into copies. The error is a NotFiniteLossError, or a BadLabelError where a layer reads a label
    that is no class.
    """
    overflow = "the sum of squared gradients is too large to be a number"
    suspects = _iteration(net, program, seed, batches)
    return _first(NotFiniteLossError, f"iteration {iteration}", suspects, overflow, _DIVERGED)


def blame_score(net: ShapedGraph, program: Program, seed: int, batch: Fed, when: str) -> NetspecError:
    """Repeat the forward of a batch with every blob kept; the error that names the first array not finite.

    `net` is the net before it was compiled, `program` its program; `when` begins the message. The error is a
    NotFiniteScoreError, or a BadLabelError where a layer reads a label that is no class.
    """
    suspects = _forward(_kept(net, program, seed), batch, _UNSCORED)
    unknown = f"a score is not finite, in the batch that begins with {batch.name(0, 0)}"
    return _first(NotFiniteScoreError, when, suspects, unknown, _UNSCORED)


def _first(
    kind: type[DivergedError], when: str, suspects: Iterator[Suspect], otherwise: str, help: str
) -> NetspecError:
    """The error for the first array not finite, or the first wrong label; without any, one that says `otherwise`."""
    try:
        for suspect in suspects:
            found = _judge(suspect)
            if found is not None:
                return kind(f"{when}: {found}", help=suspect.help)
    except BadLabelError as error:
        return error.changed(message=f"{when}: {error.message}")
    return kind(f"{when}: {otherwise}", help=help)


def _kept(net: ShapedGraph, program: Program, seed: int) -> Program:
    """A program of the same net and weights that keeps every blob; layers store into copies of params and states."""
    learned = (param.param.learned for param in net.graph.params)
    pairs = zip(program.weights.data, learned, strict=True)
    states = {key: array.copy() for key, array in program.weights.states.items()}
    data = tuple(a if learns else a.copy() for a, learns in pairs)
    weights = replace(program.weights, data=data, states=states)
    kept = bind(*compile_net(net, program.plan.dtype, keep=True), weights, seed)
    kept.table.threads = program.table.threads
    return kept


def _iteration(net: ShapedGraph, program: Program, seed: int, batches: Iterable[Fed]) -> Iterator[Suspect]:
    """Every array of an iteration as soon as it is computed: params, then blobs and gradients of each batch."""
    kept = _kept(net, program, seed)
    weights = kept.weights
    weights.flat_diff[:] = 0
    for name, array in zip(weights.names, weights.data, strict=True):
        yield Suspect(f"param '{name}'", array, _DIVERGED)
    for batch in batches:
        yield from _forward(kept, batch, _DIVERGED)
        yield from _backward(kept)


def _forward(kept: Program, batch: Fed, advice: str) -> Iterator[Suspect]:
    """Every blob as soon as it is computed. Raises BadLabelError where a layer is about to read a wrong label."""
    for mine, theirs in zip(kept.inputs, batch.arrays, strict=True):
        mine[...] = theirs
    kept.clock[:] = batch.clock
    readers: dict[int, list[LabelReader]] = {}
    for reader in label_readers(kept.shaped):
        readers.setdefault(reader.node.index, []).append(reader)
    for node in kept.graph.nodes:
        for reader in readers.get(node.index, []):
            _check_labels(kept, reader, batch)
        kept.run_node("forward", node.index)
        for top in node.tops:
            name = f"blob '{kept.graph.blobs[top].name}' of layer '{node.layer.name}' ({node.layer.type})"
            yield Suspect(
                name, kept.data[top], _BAD_DATA if node.layer.fed else advice, _finder(kept, node, top, batch)
            )


def _finder(kept: Program, node: Node, top: int, batch: Fed) -> Callable[[tuple[int, ...]], str]:
    """Words for the sample that an index of a top belongs to; where it is of all samples, for the likeliest."""
    axis = kept.shaped.batch_axes[top]
    if axis is None:
        return lambda index: _largest(kept, node, batch)
    source = kept.graph.inputs.index(top) if node.layer.fed else 0
    return lambda index: f", in {batch.name(index[axis], source)}"


def _largest(kept: Program, node: Node, batch: Fed) -> str:
    """Words for the sample with the largest of the values that a layer reads."""
    import numpy as np

    found = []
    for bottom in node.bottoms:
        axis, size = kept.shaped.batch_axes[bottom], np.abs(kept.data[bottom])
        if axis is not None:
            place = np.unravel_index(int(size.argmax()), size.shape)
            found.append((float(size[place]), int(place[axis])))
    if not found:
        return ""
    value, sample = max(found)
    return f"; the largest value it reads is {value:.3g}, in {batch.name(sample, 0)}"


def _check_labels(kept: Program, reader: LabelReader, batch: Fed) -> None:
    """Raise BadLabelError if a label is wrong that a layer is about to read; inputs were checked as they were fed."""
    import numpy as np

    labels = kept.data[reader.blob]
    wrong = ~classes(labels, reader.classes, reader.ignore)
    if not wrong.any():
        return
    index = tuple(np.argwhere(wrong)[0].tolist())
    layer, name = reader.node.layer, kept.graph.blobs[reader.blob].name
    maker = kept.graph.nodes[kept.graph.blobs[reader.blob].producer]
    sample = _finder(kept, maker, reader.blob, batch)(index)
    why = fault(labels[index].item(), reader.classes)
    found = f"blob '{name}' has the {layer.label_word} {labels[index]:g}, which {why}{sample}"
    help = allowed(f"layer '{layer.name}' ({layer.type})", layer.label_word, reader.classes)
    raise BadLabelError(found, at=layer.place("bottom"), help=help)


def _backward(kept: Program) -> Iterator[Suspect]:
    """Every gradient as soon as it is computed."""
    graph = kept.graph
    for node in reversed(graph.nodes):
        kept.run_node("seed", node.index)
        kept.run_node("backward", node.index)
        layer = f"layer '{node.layer.name}' ({node.layer.type})"
        for bottom, wanted in zip(node.bottoms, node.propagate, strict=True):
            diff = kept.diff[bottom]
            if wanted and diff is not None:
                name = f"the gradient of blob '{graph.blobs[bottom].name}', from {layer},"
                yield Suspect(name, diff, _DIVERGED)
        for param in node.params:
            diff = kept.weights.diff[param]
            if diff is not None:
                yield Suspect(f"the gradient of param '{graph.params[param].name}' in {layer}", diff, _DIVERGED)


def _judge(suspect: Suspect) -> str | None:
    """The words for an array that holds NaN or infinity; None if it is finite."""
    import numpy as np

    what, array, _, sample = suspect
    bad = ~np.isfinite(array)
    if not bad.any():
        return None
    index = tuple(np.argwhere(bad)[0].tolist())
    if array.size == 1:
        return f"{what} is {array[index]}{sample(index)}"
    number = int(bad.sum())
    return f"{what} is not finite: {number:,} of {array.size:,} values, the first {array[index]}{sample(index)}"


_BAD_DATA = "the data hold it, or a transform makes it; the rate has no part in it"


_DIVERGED = "lower base_lr, set clip_gradients, or check the data's scale; weights are as before this iteration"


_UNSCORED = "lower base_lr, set clip_gradients, or check the scale of the data"
