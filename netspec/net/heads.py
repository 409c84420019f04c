"""Heads: the blobs of a net that are judged, each with the truth that it is judged by and its task."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from netspec.core.task import Makes, Task
from netspec.layers.softmax import Softmax
from netspec.net.graph import Graph, Node
from netspec.net.shaped import ShapedGraph


@dataclass(frozen=True)
class Head:
    """What a layer judges: `scores` and `truth` are blobs, `name` is the layer's.

    `output` is the number of the feed's output that the truth is, moved at most; None where the net computes it.
    """

    name: str
    task: Task
    scores: int
    truth: int
    output: int | None


_MAKES: dict[str, Makes] = {"Softmax": "softmax", "Sigmoid": "sigmoid", "Exp": "exp"}
"""What the layer types do that a loss may have inside."""


def heads(shaped: ShapedGraph) -> tuple[Head, ...]:
    """The heads of a net: those of its losses, and without any, those of the layers that score classes.

    Layers that judge the same blobs are one head: the first of them.
    """
    found: dict[tuple[int, int], Head] = {}
    judging = [node for node in shaped.graph.nodes if node.layer.is_loss]
    for head in _heads(shaped, judging):
        found.setdefault((head.scores, head.truth), head)
    if not found:
        for head in _heads(shaped, list(shaped.graph.nodes)):
            found.setdefault((head.scores, head.truth), head)
    return tuple(found.values())


def _heads(shaped: ShapedGraph, nodes: list[Node]) -> Iterator[Head]:
    """What layers judge, sample by sample: scores and truth with a batch axis, of which no item is left out."""
    graph = shaped.graph
    for node in nodes:
        task = node.layer.task(shaped.bottom_shapes(node))
        if task is None:
            continue
        scores, truth = map(graph.original, node.bottoms[:2])
        if any(shaped.batch_axes[blob] is None or blob in graph.counted for blob in (scores, truth)):
            continue
        above = graph.nodes[graph.blobs[scores].producer].layer
        if node.layer.inner_activation is not None:
            task = replace(task, makes=_MAKES[node.layer.inner_activation[0]])
        elif task.makes == "scores" and isinstance(above, Softmax):
            task = replace(task, makes="itself")
        yield Head(node.layer.name, task, scores, truth, source(graph, truth))


def source(graph: Graph, blob: int) -> int | None:
    """The number of the input that holds the values of a blob in their order; None where there is none."""
    while blob not in graph.inputs:
        node = graph.nodes[graph.blobs[blob].producer]
        if not node.bottoms or not node.layer.aliases(graph.phase):
            return None
        blob = graph.original(node.bottoms[0])
    return graph.inputs.index(blob)
