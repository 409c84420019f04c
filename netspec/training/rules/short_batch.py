"""ShortBatch: a last test batch that the net cannot take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from netspec.core.errors import DataError, Findings, NetspecError
from netspec.net.infer import infer
from netspec.net.shaped import ShapedGraph
from netspec.training.rules.base import Example, Known, Rule, example

if TYPE_CHECKING:
    from netspec.training.job import Job

TRIED = 8
"""Batch sizes that are tried for one that fits."""


class ShortBatchError(DataError):
    """The last test batch has fewer samples than the others, and the net fits only whole batches."""

    code = "NS624"


def _solver(rows: int) -> dict[str, Any]:
    source = {"type": "Arrays", "values": [[[[0.5, -1.0, 2.0]]] * 3, [0, 3, 1]]}
    feed = {"source": source, "batch_size": 2}
    layers: list[dict[str, Any]] = [
        {"name": "rows", "type": "Reshape", "shape": [rows, 3]},
        {"name": "ip", "type": "InnerProduct", "num_output": 4},
    ]
    return example(layers, (1, 3), data={"train": feed, "test": feed})


class ShortBatch(Rule):
    """A number of test samples that the batch size does not divide, in a net whose layers fix the batch size."""

    finding: ClassVar[type[NetspecError]] = ShortBatchError
    wrong: ClassVar[Example] = Example(_solver(2))
    fine: ClassVar[Example] = Example(_solver(0))

    def judge(self, known: Known) -> Iterator[NetspecError]:
        """An error where the last batch does not fit a layer, or would need params of another shape."""
        job, feed, net = known.job, known.feeds.get("TEST"), known.nets.get("TEST")
        spec = None if job is None else job.spec.data.test
        if job is None or feed is None or net is None or spec is None:
            return
        total = tested(job, len(feed))
        rest = total % spec.batch_size
        if not rest or (fault := _fault(net, rest)) is None:
            return
        related = [("the layer", fault.at)] if fault.at else []
        whole, size, hint = total // spec.batch_size, _divisor(net, total), getattr(fault, "hint", None)
        ways = [f"choose a batch size that divides {total:,}: `batch_size: {size}`"] if size else []
        ways += [f"test whole batches only: `test_iter: {whole}`"] if whole else []
        ways += [f"mend the layer: {hint}"] if hint else ["let the layer take any batch"]
        help = "; or ".join(ways)
        head = f"the last test batch has {rest:,} of the {total:,} samples, and the net cannot take it"
        message = f"{head}: {fault.message}"
        yield ShortBatchError(message, at=spec.place("batch_size"), help=help, related=related)


def tested(job: Job, samples: int) -> int:
    """The number of samples in a test of a feed."""
    limit, feed = job.spec.test_iter, job.spec.data.test
    return samples if limit is None or feed is None else min(samples, limit * feed.batch_size)


def _divisor(net: ShapedGraph, total: int) -> int | None:
    """The largest number of samples, of a few, that divides the total and that the net takes."""
    sizes = [size for size in range(min(total, 2 * net.batch), 0, -1) if total % size == 0]
    return next((size for size in sizes[:TRIED] if _fault(net, size) is None), None)


def _fault(net: ShapedGraph, batch: int) -> NetspecError | None:
    """The first error of a net at another batch size."""
    found = Findings()
    other = infer(net.graph, found, batch)
    for error in found:
        return error
    for param, own, shape in zip(net.graph.params, net.params, other.params, strict=True):
        if own != shape:
            layer = net.graph.nodes[param.users[0][0]].layer
            return ShortBatchError(f"the shape of '{param.name}' depends on the batch size", at=layer.place())
    return None
