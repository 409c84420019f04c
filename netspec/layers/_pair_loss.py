"""Base of losses that are a sum over values, each a formula of a score x and of its truth t."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.formula import Formula
from netspec.core.shape import Shapes, count
from netspec.core.task import Task
from netspec.core.worked import LayerArrays, Term, Worked, total
from netspec.layers._loss import DividedLoss, Quotient, cut, mean_of, same_count, sums
from netspec.layers.base_elementwise import call_of, term_of


class PairLoss(DividedLoss):
    """A loss of two blobs of equally many values; `normalization` is BATCH_SIZE unless given.

    `value` is the loss of a value by `x` and `t`, `gradient` its derivative by `x`. Their other parameters are named
    after fields or properties of the layer. Where both bottoms take a gradient, that of the second is the opposite.
    """

    usual: ClassVar[str] = "BATCH_SIZE"
    value: ClassVar[Formula]
    gradient: ClassVar[Formula]

    @property
    def formulas(self) -> tuple[Formula, Formula]:
        """The loss's formula and the gradient's; a layer that has several chooses here, by its fields."""
        return type(self).value, type(self).gradient

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        same_count(bottoms)
        return ((),)

    def task(self, bottoms: Shapes) -> Task | None:
        """Numbers."""
        return Task("numbers")

    def metric(self, bottoms: Shapes) -> Quotient:
        """The loss over all values of all batches."""
        return self.quotient(bottoms[0][0], count(bottoms[0][1:]))

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The loss of each value; each part's sum."""
        return {"each": Workspace((count(bottoms[0]),), use="forward")} | sums(bottoms[0])

    def forward(self, run: Run) -> Calls:
        """The losses of all values, each part's sum, their mean."""
        from netspec.kernels import loss

        shape, each = run.bottom[0].shape, run.workspace["each"]
        yield call_of(self, self.formulas[0], {"x": run.bottom[0], "t": run.bottom[1]}, each)
        yield Call(loss.loss_sum, each, run.workspace["partial"], parts=cut(each.size))
        yield mean_of(run, self.divisor(shape[0], count(shape[1:])))

    def backward(self, run: Run) -> Calls:
        """The derivatives of all values, then their scale."""
        from netspec.kernels import loss

        for diff, sign in zip(run.bottom_diff, (1, -1), strict=True):
            if diff is not None:
                yield call_of(self, self.formulas[1], {"x": run.bottom[0], "t": run.bottom[1]}, diff)
                yield Call(loss.loss_scale, diff, run.top_diff[0], run.workspace["norm"], sign)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The losses of all values; then the gradient of the first."""
        x, t = arrays.bottoms
        pairs = [{"x": Term(a), "t": Term(b)} for a, b in zip(x.reshape(-1), t.reshape(-1), strict=True)]
        divisor = Term(self.divisor(x.shape[0], count(x.shape[1:])) or len(pairs))
        yield (total([term_of(self, self.formulas[0], pair) for pair in pairs]) / divisor).at("y", index)
        if arrays.top_diffs:
            slope = term_of(self, self.formulas[1], pairs[0])
            yield (slope * arrays.loss_weight / divisor).at("dx", (0,) * x.ndim)
