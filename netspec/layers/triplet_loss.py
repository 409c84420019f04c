"""TripletLoss: the mean over triplets of max(0, d(anchor, positive) - d(anchor, negative) + margin).

d is the Euclidean distance, or its square. Source: Schroff, Kalenichenko & Philbin 2015, who take squares; PyTorch's
TripletMarginLoss takes distances, and adds 1e-6 to every difference, as is done here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run
from netspec.core.worked import LayerArrays, Term, Worked, greatest, total
from netspec.layers._loss import cut, matrix, mean_of
from netspec.layers._sample_loss import SampleLoss
from netspec.layers.base import Arity, Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Array


class TripletLoss(SampleLoss):
    """Ask an anchor to be nearer to a sample of its own kind than to one of another kind, by a margin.

    Bottom: features of the anchor, the positive and the negative (N, ...), equally many; all may receive a gradient.
    Top: the loss, a scalar.
    """

    bottoms: ClassVar[Arity] = Arity(3, 3)
    no_diff: ClassVar[frozenset[int]] = frozenset()
    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, like, other], shape: [[4, 5], [4, 3], [4, 3]]}
- {name: ip, type: InnerProduct, num_output: 3, bottom: data, weight_filler: xavier}
- {name: loss, type: TripletLoss, bottom: [ip, like, other], margin: 5.0}
"""

    margin: float = Field(1.0, gt=0, description="By how much the positive must be nearer.")
    squared: bool = Field(False, description="Whether distances are squared.")

    def forward(self, run: Run) -> Calls:
        """Each part's sum; then their mean."""
        from netspec.kernels import loss_distance

        rows = self.rows(run)
        arrays = *rows, run.workspace["partial"]
        yield Call(loss_distance.triplet_forward, *arrays, self.margin, int(self.squared), parts=cut(rows[0].size))
        yield mean_of(run, rows[0].shape[0])

    def backward(self, run: Run) -> Calls:
        """One pass for each diff."""
        from netspec.kernels import loss_distance

        rows = self.rows(run)
        for slot, diff in enumerate(run.bottom_diff):
            if diff is not None:
                arrays = *rows, run.top_diff[0], run.workspace["norm"], diff.reshape(rows[0].shape)
                yield Call(loss_distance.triplet_backward, *arrays, self.margin, int(self.squared), slot)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """What each triplet lacks."""
        rows = [each.reshape(matrix(each.shape)) for each in arrays.bottoms]
        triplets, samples = list(zip(*rows, strict=True)), Term(len(rows[0]))
        short = [self._distance(a, b) - self._distance(a, c) + self.margin for a, b, c in triplets]
        yield (total([greatest([Term(0), each]) for each in short]) / samples).at("y", index)

    def _apart(self, a: Array, b: Array) -> list[Term]:
        from netspec.kernels.loss_distance import NEAR

        return [Term(x) - Term(y) + (0.0 if self.squared else NEAR) for x, y in zip(a, b, strict=True)]

    def _distance(self, a: Array, b: Array) -> Term:
        square = total([each.power(2) for each in self._apart(a, b)])
        return square if self.squared else square.sqrt()
