"""Base of losses that are a sum over values, each a formula of a score x and of its truth t."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.formula import Formula
from netspec.core.shape import Shapes, count
from netspec.core.task import Task
from netspec.core.worked import LayerArrays, Term, Worked, indices, total
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
        """The losses of all values."""
        losses = [term_of(self, self.formulas[0], pair) for pair in _pairs(arrays)]
        yield (total(losses) / self._divided(arrays)).at("y", index)

    def worked_diffs(self, arrays: LayerArrays) -> Iterator[Worked]:
        """The gradient's formula for every value; the truth's is the opposite."""
        divisor = self._divided(arrays)
        for slot, truth in enumerate(arrays.bottoms):
            for index, pair in zip(indices(truth.shape), _pairs(arrays), strict=True):
                slope = term_of(self, self.formulas[1], pair)
                yield ((-slope if slot else slope) * arrays.loss_weight / divisor).at("dx", index, slot)

    def _divided(self, arrays: LayerArrays) -> Term:
        """What the sum of the losses is divided by."""
        x = arrays.bottoms[0]
        return Term(self.divisor(x.shape[0], count(x.shape[1:])) or x.size)


def _pairs(arrays: LayerArrays) -> list[dict[str, Term]]:
    """Each value with its truth."""
    x, t = (blob.reshape(-1) for blob in arrays.bottoms)
    return [{"x": Term(a), "t": Term(b)} for a, b in zip(x, t, strict=True)]
