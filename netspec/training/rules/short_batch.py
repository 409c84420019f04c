"""ShortBatch: a last test batch that the net cannot take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

from netspec.core.errors import DataError, Findings, NetspecError
from netspec.net.infer import infer
from netspec.net.shaped import ShapedGraph
from netspec.training.rules.base import Example, Known, Rule, example

if TYPE_CHECKING:
    from netspec.data.spec import FeedSpec

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
        for name, feed, net in known.fed():
            spec = None if known.job is None else known.job.spec.data.named(name)
            if known.job is not None and spec is not None and net.graph.phase == "TEST":
                limit = known.job.spec.test_batches(name)
                yield from _judged(spec, net, len(feed) if limit is None else min(len(feed), limit * spec.batch_size))


def _judged(spec: FeedSpec, net: ShapedGraph, total: int) -> Iterator[NetspecError]:
    """The error for a feed of so many tested samples, if there is one."""
    rest = total % spec.batch_size
    if rest and (fault := _fault(net, rest)) is not None:
        related = [("the layer", fault.at)] if fault.at else []
        whole, size, hint = total // spec.batch_size, _divisor(net, total), getattr(fault, "hint", None)
        ways = [f"choose a batch size that divides {total:,}: `batch_size: {size}`"] if size else []
        ways += [f"test whole batches only: `test_iter: {whole}`"] if whole else []
        ways += [f"mend the layer: {hint}"] if hint else ["let the layer take any batch"]
        help = "; or ".join(ways)
        head = f"the last test batch has {rest:,} of the {total:,} samples, and the net cannot take it"
        message = f"{head}: {fault.message}"
        yield ShortBatchError(message, at=spec.place("batch_size"), help=help, related=related)


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
