"""Tally: the scores of a net over several batches, however its samples are cut into them.

Layers that have a Metric leave statistics, which are combined over all batches and finished once. What the net computes
from these scores alone is computed once too, from the finished values. So each of them is what a single forward over
all samples as one batch would give. Other scalars and short vectors, which no layer says how to combine, are the mean
over the batches, weighted by their numbers of samples; these may depend on the batch size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from netspec.engine.program import Program
from netspec.net.graph import Node
from netspec.net.shaped import ShapedGraph

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.core.metric import Metric


class Tally:
    """Statistics and sums of batches; `outputs` are the blobs of the net whose values are wanted.

    Blobs have the same numbers in all programs of a net.
    """

    def __init__(self, net: ShapedGraph, outputs: tuple[int, ...]) -> None:
        self.samples = 0
        self._outputs = outputs
        settled = {top for node, _ in _settled(net) for top in _scores(net, node)}
        self._summed = tuple(blob for blob in outputs if blob not in settled)
        self._totals: dict[str, Array] = {}
        self._sums: dict[int, Array] = {}

    def add(self, program: Program, size: int) -> bool:
        """Add a batch of `size` samples after its forward; whether all its scores are finite. If not, none is added."""
        import numpy as np

        batch = [metric.statistics(space) for _, metric, space in program.metrics]
        sums = [size * program.data[blob].astype(np.float64) for blob in self._summed]
        most = float(np.finfo(program.plan.dtype).max)
        sound = (_sound(metric, array, most) for (_, metric, _), array in zip(program.metrics, batch, strict=True))
        if not (all(np.isfinite(array).all() for array in sums) and all(sound)):
            return False
        for (node, metric, _), array in zip(program.metrics, batch, strict=True):
            name = program.graph.nodes[node].layer.name
            total = self._totals.get(name)
            self._totals[name] = array if total is None else metric.combine(total, array)
        for blob, array in zip(self._summed, sums, strict=True):
            self._sums[blob] = self._sums.get(blob, 0.0) + array
        self.samples += size
        return True

    def finish(self, program: Program) -> dict[int, Array]:
        """The value of each output over all batches; `program` ran the last of them, and its scores are overwritten."""
        values = {blob: array / self.samples for blob, array in self._sums.items()}
        for node, metric in _settled(program.shaped):
            values |= self._finished(program, node, metric)
        return {blob: values[blob] for blob in self._outputs}

    def _finished(self, program: Program, node: Node, metric: Metric | None) -> Iterator[tuple[int, Array]]:
        """The scores of a layer, which are written into its tops: layers above compute theirs from them."""
        import numpy as np

        if metric is None:
            program.run_node("forward", node.index)
            yield from ((top, program.data[top].astype(np.float64)) for top in node.tops)
            return
        finished = metric.finish(self._totals[node.layer.name])
        for top, value in zip(_scores(program.shaped, node), finished, strict=False):
            with np.errstate(over="ignore"):  # a sum over all samples may be too large for a blob
                program.data[top][...] = value
            yield top, np.asarray(value, np.float64)


def _sound(metric: Metric, statistics: Array, most: float) -> bool:
    """Whether the statistics of a batch are finite, and none of its scores is larger than `most`."""
    import numpy as np

    finite = bool(np.isfinite(statistics).all())
    return finite and all(bool((np.abs(score) <= most).all()) for score in metric.finish(statistics))


def _settled(net: ShapedGraph) -> Iterator[tuple[Node, Metric | None]]:
    """The layers whose scores follow from statistics, in order, each with its metric.

    Those without one read nothing but scores that follow from statistics.
    """
    known: set[int] = set()
    for node in net.graph.nodes:
        above = bool(node.bottoms) and known.issuperset(node.bottoms)
        metric = None if above else node.layer.metric(net.bottom_shapes(node))
        if above or metric is not None:
            known.update(_scores(net, node))
            yield node, metric


def _scores(net: ShapedGraph, node: Node) -> tuple[int, ...]:
    """The tops of a layer that have no batch axis."""
    return tuple(top for top in node.tops if net.batch_axes[top] is None)
