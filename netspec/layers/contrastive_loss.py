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
from netspec.core.worked import LayerArrays, Term, Worked, greatest, total
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
        """What each pair loses; then the gradient of the first value of a."""
        from netspec.kernels.loss_distance import CLOSE

        a, b, alike = arrays.bottoms
        rows = [each.reshape(matrix(each.shape)).tolist() for each in (a, b)]
        apart = [[Term(x) - Term(y) for x, y in zip(*pair, strict=True)] for pair in zip(*rows, strict=True)]
        squares = [total([each.power(2) for each in pair]) for pair in apart]
        y = [int(each) if self.any_label else each for each in alike.reshape(-1).tolist()]
        yield (total([self._loss(d, same) for d, same in zip(squares, y, strict=True)]) / (2.0 * Term(len(y)))).at(
            "y", index
        )
        if arrays.top_diffs:
            d = squares[0].sqrt()
            slope: Term | float = 1.0
            if not y[0]:
                short = self.margin - (squares[0] if self.legacy_version else d)
                factor = Term(1) if self.legacy_version else short / (d + CLOSE)
                slope = -factor if short > 0 else Term(0)
            yield (slope * apart[0][0] * arrays.loss_weight / Term(len(y))).at("dx", (0,) * a.ndim)

    def _loss(self, square: Term, alike: float) -> Term:
        if alike:
            return square
        if self.legacy_version:
            return greatest([self.margin - square, Term(0)])
        return greatest([self.margin - square.sqrt(), Term(0)]).power(2)
