"""Follows the labels that layers read back to the inputs of the net."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from netspec.core.shape import count
from netspec.data.labels import LabelRule
from netspec.net.graph import Node
from netspec.net.shaped import ShapedGraph

if TYPE_CHECKING:
    from numpy.random import Generator

    from netspec.core.calls import Array


class LabelReader(NamedTuple):
    """A blob that a layer reads as labels 0..classes-1, or `ignore`."""

    node: Node
    blob: int
    classes: int
    ignore: int | None


def label_readers(shaped: ShapedGraph) -> Iterator[LabelReader]:
    """Every reading of labels, in the order of layers."""
    for node in shaped.graph.nodes:
        for slot, (classes, ignore) in node.layer.classes(shaped.bottom_shapes(node)).items():
            yield LabelReader(node, shaped.graph.original(node.bottoms[slot]), classes, ignore)


def label_rules(shaped: ShapedGraph) -> tuple[LabelRule, ...]:
    """The values of inputs that layers read as labels, directly or behind layers that only move values.

    There is one rule for each input, number of classes and ignored label, in the order of the first layers that read
    so. Labels that the net computes are not among them.
    """
    import numpy as np

    readers = list(label_readers(shaped))
    origins = _origins(shaped, {reader.blob for reader in readers})
    rules: dict[tuple[int, int, int | None], LabelRule] = {}
    for reader in readers:
        read, classes, ignore = origins[reader.blob].reshape(-1), reader.classes, reader.ignore
        for output, (begin, end) in enumerate(_spans(shaped)):
            inside = read[(read >= begin) & (read < end)] - begin
            if not inside.size:
                continue
            if (output, classes, ignore) not in rules:
                name = f"layer '{reader.node.layer.name}' ({reader.node.layer.type})"
                samples = _samples(shaped, output)
                places = np.zeros((samples, (end - begin) // samples), bool)
                rules[output, classes, ignore] = LabelRule(
                    output, classes, ignore, name, places, reader.node.layer.label_word
                )
            rules[output, classes, ignore].places.reshape(-1)[inside] = True
    return tuple(rules.values())


def draw_labels(shaped: ShapedGraph, batches: Sequence[Array], random: Generator) -> None:
    """Put random classes where layers read labels in the inputs' batches, each with its samples on the first axis.

    Where layers of different numbers of classes read the same values, the fewest classes hold.
    """
    for rule in sorted(label_rules(shaped), key=lambda rule: -rule.classes):
        batch = batches[rule.output]
        places = rule.places.reshape(batch.shape)
        batch[places] = random.integers(0, rule.classes, int(places.sum()))


def _origins(shaped: ShapedGraph, wanted: set[int]) -> dict[int, Array]:
    """For each wanted blob the numbers of the input values that its values are; -1 where it is computed.

    All values of all inputs are numbered, each input's sample by sample.
    """
    import numpy as np

    graph = shaped.graph
    kind = np.int32 if sum(map(count, shaped.blobs)) < 2**31 else np.int64
    wanted = set(wanted)
    for node in reversed(graph.nodes):
        if wanted.intersection(node.tops) and node.layer.moves(graph.phase):
            wanted.update(map(graph.original, node.bottoms))
    result: dict[int, Array] = {}
    for blob, (begin, end) in zip(graph.inputs, _spans(shaped), strict=True):
        if blob in wanted:
            shape, axis, values = shaped.blobs[blob], shaped.batch_axes[blob], np.arange(begin, end, dtype=kind)
            if axis is None:
                result[blob] = values.reshape(shape)
                continue
            samples = values.reshape(shape[axis], *shape[:axis], *shape[axis + 1 :])
            result[blob] = np.moveaxis(samples, 0, axis)
    for node in graph.nodes:
        if node.layer.fed or not wanted.intersection(node.tops):
            continue
        move = node.layer.moves(graph.phase)
        if move is None:
            tops = tuple(np.full(shape, -1, kind) for shape in shaped.top_shapes(node))
        else:
            tops = move(tuple(result[graph.original(bottom)] for bottom in node.bottoms))
        result.update(zip(node.tops, tops, strict=True))
    return result


def _spans(shaped: ShapedGraph) -> Iterator[tuple[int, int]]:
    """For each input the number of its first value, and of the first behind it."""
    begin = 0
    for blob in shaped.graph.inputs:
        end = begin + count(shaped.blobs[blob])
        yield begin, end
        begin = end


def _samples(shaped: ShapedGraph, number: int) -> int:
    """Samples in a batch of an input; 1 where it has no batch axis."""
    blob = shaped.graph.inputs[number]
    axis = shaped.batch_axes[blob]
    return 1 if axis is None else shaped.blobs[blob][axis]
