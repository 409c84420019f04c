"""TopK: the shares of positions whose true class is among the k best scores, for several k at once.

A position is right when fewer than k other classes score at least as high, so a tie counts against it. Source: Caffe
accuracy_layer.cpp, for one k.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from netspec.core.model import Aka, Listed
from netspec.core.shape import ShapeError, Shapes, counted
from netspec.layers._score import Classified, ClassScore, portions
from netspec.layers.base import Arity

if TYPE_CHECKING:
    from netspec.core.calls import Array

Rank = Annotated[int, Field(gt=0)]
"""A number of `top_k`."""


@dataclass(frozen=True)
class Ranks(Classified):
    """The shares of positions that are right, for each of `top_k`.

    Statistics: for each k the positions that are right; then all positions.
    """

    top_k: tuple[int, ...] = (1,)

    def measure(self, scores: Array, labels: Array) -> Array:
        """The counts."""
        import numpy as np

        counting = self.counting(scores, labels)
        if counting is None:
            return np.full(len(self.top_k) + 1, np.nan)
        x, label = counting
        better = (x >= np.take_along_axis(x, label[:, None], axis=1)).sum(axis=1) - 1
        return np.array([*((better < k).sum() for k in self.top_k), len(label)], np.float64)

    def most(self, positions: int) -> int:
        """A count for each k, and all."""
        return len(self.top_k) + 1

    def finish(self, total: Array) -> tuple[Array, ...]:
        """A scalar for each k; 0 without positions."""
        return tuple(portions(total[:-1], total[-1:]))


class TopK(ClassScore):
    """Count how often the true class is among the best scores, for several numbers of scores. It has no gradient.

    Bottom: scores (N, C, ...), labels 0..C-1 (N, ...). Top: for each number of `top_k` a scalar, the share; 0 when
    every label is ignored. With one number it is Accuracy.
    """

    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[4, 6], [4]]}
- {name: ranks, type: TopK, bottom: [data, label], top: [top1, top3], top_k: [1, 3]}
"""

    tops: ClassVar[Arity] = Arity(1, None)
    is_score: ClassVar[bool] = True

    top_k: Annotated[Listed[Rank], Aka("k", "topk")] = Field(
        min_length=1, description="For each top: the true class must be among this many best scores."
    )

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """Scalars."""
        classes = self.several(bottoms)
        for i, k in enumerate(self.top_k):
            if k > classes:
                text = f"`top_k` {k} is more than the {counted(classes, 'class', 'classes')} of {{bottom[0]}}"
                raise ShapeError(text, field=f"top_k.{i}")
        given = len(self.top_names())
        if given != len(self.top_k):
            text = f"`top_k` has {counted(len(self.top_k), 'number')}, but the layer has {counted(given, 'top')}"
            example = ", ".join(f"top{k}" for k in self.top_k)
            raise ShapeError(text, field="top_k", help=f"a top for each number, like `top: [{example}]`")
        return ((),) * given

    def measure(self, bottoms: Shapes) -> Ranks:
        """The shares of the positions of all batches."""
        return Ranks(self.several(bottoms), self.ignore_label, self.top_k)
