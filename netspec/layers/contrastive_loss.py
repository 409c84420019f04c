"""ContrastiveLoss: the sum over pairs of d^2 where they are alike, else of max(margin - d, 0)^2, over 2N.

d is the Euclidean distance of a pair. The legacy form has max(margin - d^2, 0) for pairs that differ.
Source: Hadsell, Chopra & LeCun 2006; Caffe contrastive_loss_layer.cpp, with its 1e-4 added to d where d divides.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes
from netspec.core.worked import LayerArrays, Term, Worked, greatest, total, unravelled
from netspec.layers._loss import Quotient, cut, matrix, mean_of
from netspec.layers._sample_loss import SampleLoss
from netspec.layers.base import Arity, Purpose


class ContrastiveLoss(SampleLoss):
    """Draw the features of pairs that are alike together, and push those of others a margin apart: Siamese nets.

    Bottom: features a and b (N, ...), equally many; y (N,), 1 where a pair is alike and 0 where it is not; with
    `any_label`, as in Caffe, any number counts as 1 whose whole part is not 0. Top: the loss, a scalar. Both features
    may receive a gradient.
    """

    bottoms: ClassVar[Arity] = Arity(3, 3)
    no_diff: ClassVar[frozenset[int]] = frozenset({2})
    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, pair, alike], shape: [[4, 5], [4, 5], [4]]}
- {name: a, type: InnerProduct, num_output: 3, bottom: data, weight_filler: xavier, param: [{name: w}, {name: b}]}
- {name: b, type: InnerProduct, num_output: 3, bottom: pair, weight_filler: xavier, param: [{name: w}, {name: b}]}
- {name: loss, type: ContrastiveLoss, bottom: [a, b, alike], margin: 4.0, legacy_version: true}
"""

    margin: float = Field(1.0, gt=0, description="The distance beyond which pairs that differ are left alone.")
    legacy_version: bool = Field(False, description="Whether the margin is compared with the squared distance.")
    any_label: bool = Field(False, description="Any number whose whole part is not 0 says that a pair is alike.")

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """A pair is alike, 1, or not, 0, unless any number is taken."""
        return {} if self.any_label else {2: (2, None)}

    def metric(self, bottoms: Shapes) -> Quotient:
        """The loss over the pairs of all batches."""
        return Quotient(2 * bottoms[0][0])

    def forward(self, run: Run) -> Calls:
        """Each part's sum; then their mean."""
        from netspec.kernels import loss_distance

        a, b = self.rows(run)
        arrays = a, b, run.bottom[2], run.workspace["partial"]
        yield Call(loss_distance.contrastive_forward, *arrays, *self._settings, parts=cut(a.size))
        yield mean_of(run, 2 * a.shape[0])

    def backward(self, run: Run) -> Calls:
        """One pass for each diff."""
        from netspec.kernels import loss_distance

        a, b = self.rows(run)
        arrays = a, b, run.bottom[2], run.top_diff[0], run.workspace["norm"]
        for diff, sign in zip(run.bottom_diff[:2], (1, -1), strict=True):
            if diff is not None:
                yield Call(loss_distance.contrastive_backward, *arrays, diff.reshape(a.shape), *self._settings, sign)

    @property
    def _settings(self) -> tuple[float, int, int]:
        """The margin, whether it is of squares, and whether any number is a label."""
        return self.margin, int(self.legacy_version), int(self.any_label)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """What each pair loses."""
        pairs = self._pairs(arrays)
        losses = [self._loss(total([each.power(2) for each in apart]), same) for apart, same in pairs]
        yield (total(losses) / (2.0 * Term(len(pairs)))).at("y", index)

    def worked_diffs(self, arrays: LayerArrays) -> Iterator[Worked]:
        """The gradients of both blobs, which differ in their signs."""
        shape, pairs = arrays.bottoms[0].shape, self._pairs(arrays)
        slopes = [self._slope(apart, same) * each for apart, same in pairs for each in apart]
        for slot in (0, 1):
            for place, slope in enumerate(slopes):
                down = (-slope if slot else slope) * arrays.loss_weight / Term(len(pairs))
                yield down.at("dx", unravelled(place, shape), slot)

    def _pairs(self, arrays: LayerArrays) -> list[tuple[list[Term], float]]:
        """For each pair the differences of its values, and whether it is alike."""
        a, b, alike = arrays.bottoms
        rows = [each.reshape(matrix(each.shape)).tolist() for each in (a, b)]
        apart = [[Term(x) - Term(y) for x, y in zip(*pair, strict=True)] for pair in zip(*rows, strict=True)]
        y = [int(each) if self.any_label else each for each in alike.reshape(-1).tolist()]
        return list(zip(apart, y, strict=True))

    def _slope(self, apart: list[Term], alike: float) -> Term:
        """The slope of half a pair's loss by each of its differences, without that difference."""
        from netspec.kernels.loss_distance import CLOSE

        square = total([each.power(2) for each in apart])
        if alike:
            return Term(1)
        short = self.margin - (square if self.legacy_version else square.sqrt())
        factor = Term(1) if self.legacy_version else short / (square.sqrt() + CLOSE)
        return -factor if short > 0 else Term(0)

    def _loss(self, square: Term, alike: float) -> Term:
        if alike:
            return square
        if self.legacy_version:
            return greatest([self.margin - square, Term(0)])
        return greatest([self.margin - square.sqrt(), Term(0)]).power(2)
