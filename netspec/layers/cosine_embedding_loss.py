"""CosineEmbeddingLoss: the mean over pairs of 1 - cos(a, b) where they are alike, else of max(0, cos(a, b) - margin).

Source: PyTorch's CosineEmbeddingLoss, whose y is -1 where y is 0 here; its 1e-12 is added to squared lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes
from netspec.core.worked import LayerArrays, Term, Worked, dot, greatest, total
from netspec.layers._loss import cut, matrix, mean_of
from netspec.layers._sample_loss import SampleLoss
from netspec.layers.base import Arity, Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Array


class CosineEmbeddingLoss(SampleLoss):
    """Turn the features of pairs that are alike the same way, and those of others away from each other.

    Bottom: features a and b (N, ...), equally many; y (N,), 1 where a pair is alike and 0 where it is not. Top: the
    loss, a scalar. Both features may receive a gradient.
    """

    bottoms: ClassVar[Arity] = Arity(3, 3)
    no_diff: ClassVar[frozenset[int]] = frozenset({2})
    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, pair, alike], shape: [[4, 5], [4, 5], [4]]}
- {name: a, type: InnerProduct, num_output: 3, bottom: data, weight_filler: xavier, param: [{name: w}, {name: b}]}
- {name: b, type: InnerProduct, num_output: 3, bottom: pair, weight_filler: xavier, param: [{name: w}, {name: b}]}
- {name: loss, type: CosineEmbeddingLoss, bottom: [a, b, alike], margin: 0.1}
"""

    margin: float = Field(0.0, ge=-1, le=1, description="The cosine up to which pairs that differ are left alone.")

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """A pair is alike, 1, or not, 0."""
        return {2: (2, None)}

    def forward(self, run: Run) -> Calls:
        """Each part's sum; then their mean."""
        from netspec.kernels import loss_distance

        a, b = self.rows(run)
        arrays = a, b, run.bottom[2], run.workspace["partial"]
        yield Call(loss_distance.cosine_forward, *arrays, self.margin, parts=cut(a.size))
        yield mean_of(run, a.shape[0])

    def backward(self, run: Run) -> Calls:
        """One pass for each diff."""
        from netspec.kernels import loss_distance

        rows = self.rows(run)
        for slot in (0, 1):
            diff = run.bottom_diff[slot]
            if diff is not None:
                arrays = rows[slot], rows[1 - slot], run.bottom[2], run.top_diff[0], run.workspace["norm"]
                yield Call(loss_distance.cosine_backward, *arrays, diff.reshape(rows[0].shape), self.margin)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """What each pair loses."""
        a, b, alike = arrays.bottoms
        rows = a.reshape(matrix(a.shape)), b.reshape(matrix(b.shape))
        pairs, samples = list(zip(*rows, alike.reshape(-1).tolist(), strict=True)), Term(a.shape[0])
        yield (total([self._loss(_cosine(x, y), same) for x, y, same in pairs]) / samples).at("y", index)

    def _loss(self, cosine: Term, alike: float) -> Term:
        return 1.0 - cosine if alike else greatest([Term(0), cosine - self.margin])


def _cosine(x: Array, y: Array) -> Term:
    return dot(x, y) / (dot(x, x) * dot(y, y)).sqrt()
