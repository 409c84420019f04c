"""Base of losses that are a mean over samples, each with scores of C classes and a label."""

from __future__ import annotations

from typing import TYPE_CHECKING

from netspec.core.calls import Run, Workspace
from netspec.core.shape import Shapes
from netspec.core.task import Task
from netspec.layers._loss import Loss, Quotient, matrix, positions, sums

if TYPE_CHECKING:
    from netspec.core.calls import Array


class ClassLoss(Loss):
    """A mean over samples of what their scores (N, C, ...) lose; all axes but the first count as classes."""

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        positions((matrix(bottoms[0]), bottoms[1]), 1)
        return ((),)

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """The labels must name one of the C scores."""
        return {1: (matrix(bottoms[0])[1], None)}

    def task(self, bottoms: Shapes) -> Task:
        """The class of the best score; of a single score, whether it is above 0."""
        return Task("classes" if matrix(bottoms[0])[1] > 1 else "labels", "scores", None)

    def metric(self, bottoms: Shapes) -> Quotient:
        """The loss over the samples of all batches."""
        return Quotient(bottoms[0][0])

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Each part's sum."""
        return sums(bottoms[0])

    def scores(self, run: Run) -> Array:
        """The scores as (N, C)."""
        return run.bottom[0].reshape(matrix(run.bottom[0].shape))
