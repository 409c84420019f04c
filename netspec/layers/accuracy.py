"""Accuracy: the share of positions whose true class is among the top_k scores.

A position is right when fewer than top_k other classes score at least as high, so a tie counts against it.
Source: Caffe accuracy_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.metric import Metric
from netspec.core.shape import ShapeError, Shapes, count, counted
from netspec.core.worked import LayerArrays, Term, Worked, total
from netspec.layers._loss import positions
from netspec.layers._score import ClassScore
from netspec.layers.base import Arity

if TYPE_CHECKING:
    from netspec.core.calls import Array


@dataclass(frozen=True)
class Shares(Metric):
    """The share of right positions, and that of each class.

    Statistics: for each class its right positions and its positions; then 0, or NaN where a label is no class or a
    score no number.
    """

    space = "counts"

    def finish(self, total: Array) -> tuple[Array, ...]:
        """The accuracy of all positions, and (C,) of each class; 0 without positions."""
        right, positions = total[:-1].reshape(-1, 2).T
        return right.sum() / positions.sum().clip(1), right / positions.clip(1)


class Accuracy(ClassScore):
    """Count how often the scores are right; 0 when every label is ignored. It has no gradient.

    Bottom: scores (N, C, ...), labels 0..C-1 (N, ...). Top: the accuracy, a scalar; on request, the accuracy of each
    class (C,), 0 for a class that does not occur.
    """

    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[4, 3, 5], [4, 5]]}
- {name: accuracy, type: Accuracy, bottom: [data, label], top: [accuracy, by_class], top_k: 2, ignore_label: 1}
"""

    tops: ClassVar[Arity] = Arity(1, 2)
    is_score: ClassVar[bool] = True

    top_k: int = Field(1, gt=0, description="The true class must be among this many best scores.")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar, and (C,) for a second top."""
        _, classes, _ = positions(bottoms, self.axis)
        if self.top_k > classes:
            raise ShapeError(
                f"`top_k` {self.top_k} is more than the {counted(classes, 'class', 'classes')} of {{bottom[0]}}",
                field="top_k",
            )
        return ((), (classes,))[: len(self.top_names())]

    def metric(self, bottoms: Shapes) -> Shares:
        """The shares of the positions of all batches."""
        return Shares()

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Which positions are right, and the counts of each class."""
        counts = Workspace((2 * positions(bottoms, self.axis)[1] + 1,), "float64", score=True)
        return {"hit": Workspace((count(bottoms[1]),), "int32"), "counts": counts}

    def forward(self, run: Run) -> Calls:
        """Judge every position, then count."""
        from netspec.kernels import metric

        scores = run.bottom[0].reshape(positions((run.bottom[0].shape, run.bottom[1].shape), self.axis))
        ignoring = (0, 0) if self.ignore_label is None else (1, self.ignore_label)
        hit, counts = run.workspace["hit"], run.workspace["counts"]
        yield Call(metric.accuracy_hits, scores, run.bottom[1], hit, self.top_k, *ignoring)
        yield Call(metric.accuracy_mean, hit, run.top[0], parts=1)
        yield Call(metric.accuracy_counts, hit, run.bottom[1], counts, parts=1)
        if len(run.top) == 2:
            yield Call(metric.accuracy_per_class, counts, run.top[1], parts=1)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """1 for each position that is right, 0 for each that is wrong, over their number."""
        scores, labels = arrays.bottoms
        shape, own = positions((scores.shape, labels.shape), self.axis), labels.reshape(-1).astype(int)
        x, hits = scores.reshape(shape), []
        for p, label in enumerate(own.tolist()):
            if label != self.ignore_label:
                row = x[p // shape[2], :, p % shape[2]]
                hits.append(Term(float((row >= row[label]).sum() - 1 < self.top_k)))
        if hits:
            yield (total(hits) / len(hits)).at("y", index)
