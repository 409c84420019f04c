"""Base of losses of distances between samples: bottoms of equal shape (N, ...), then perhaps a word for each sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netspec.core.calls import Run, Workspace
from netspec.core.shape import ShapeError, Shapes, count
from netspec.layers._loss import Loss, Quotient, matrix, sums

if TYPE_CHECKING:
    from netspec.core.calls import Array


class SampleLoss(Loss):
    """A mean over samples, whose features (N, ...) are all bottoms that can receive a gradient."""

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        first, features = bottoms[0], len(bottoms) - len(self.no_diff)
        for i, shape in enumerate(bottoms):
            wanted = count(first) if i < features else first[0] if first else 0
            if not first or not shape or shape[0] != first[0] or count(shape) != wanted:
                what = "equally many values" if i < features else "one value for each sample"
                raise ShapeError(
                    f"{{bottom[0]}} and {{bottom[{i}]}} must have the same batch size, and {what}", field=f"bottom.{i}"
                )
        return ((),)

    def metric(self, bottoms: Shapes) -> Quotient:
        """The loss over the samples of all batches."""
        return Quotient(bottoms[0][0])

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Each part's sum."""
        return sums(bottoms[0])

    def rows(self, run: Run) -> tuple[Array, ...]:
        """The features as (N, C)."""
        return tuple(each.reshape(matrix(each.shape)) for each in run.bottom[: len(run.bottom) - len(self.no_diff)])
