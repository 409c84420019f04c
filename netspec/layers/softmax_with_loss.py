"""SoftmaxWithLoss: the mean over positions of -ln(softmax(x)[label]).

One position loses at most -ln(FLT_MIN) = 87.3365; the divisor is at least 1. Source: Caffe softmax_loss_layer.cpp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka
from netspec.core.shape import Shapes
from netspec.layers._loss import NormalizedLoss, cut, positions, sums
from netspec.layers.base import BOTTOM, TOP, Abilities, Arity

if TYPE_CHECKING:
    from netspec.core.calls import Array


class SoftmaxWithLoss(NormalizedLoss):
    """The multinomial logistic loss of scores, with the softmax inside.

    Bottom: scores (N, C, ...), labels 0..C-1 (N, ...). Top: the loss, a scalar; if asked for, the probabilities (N, C, ...).
    """

    tops: ClassVar[Arity] = Arity(1, 2)

    axis: Annotated[int, Aka("axes", "dim")] = Field(
        1, description="The axis of the classes; negative counts from the end."
    )

    @property
    def abilities(self) -> Abilities:
        """Backward reads the labels, and the probabilities where they are a top."""
        return Abilities(reads=BOTTOM | TOP)

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar, and the scores' shape for a second top."""
        positions(bottoms, self.axis)
        return ((), bottoms[0])[: len(self.top_names())]

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """The labels must name one of the C scores."""
        return {1: (positions(bottoms, self.axis)[1], self.ignore_label)}

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The probabilities, unless they are a top; each part's sum."""
        kept = {"prob": Workspace(bottoms[0], kept=True)} if len(self.top_names()) == 1 else {}
        return kept | sums(bottoms[0])

    def forward(self, run: Run) -> Calls:
        """Probabilities and each part's loss; then their mean."""
        from netspec.kernels import loss, softmax

        shape = self._positions(run)
        scores, prob, partial = run.bottom[0].reshape(shape), self._prob(run).reshape(shape), run.workspace["partial"]
        yield Call(
            softmax.softmax_loss_forward, scores, run.bottom[1], prob, partial, *self.ignoring, parts=cut(scores.size)
        )
        yield Call(
            loss.loss_mean, partial, run.top[0], run.workspace["norm"], self.divisor(shape[0], shape[2]), parts=1
        )

    def backward(self, run: Run) -> Calls:
        """One pass over the probabilities."""
        from netspec.kernels import softmax

        if run.bottom_diff[0] is not None:
            shape = self._positions(run)
            prob, dx = self._prob(run).reshape(shape), run.bottom_diff[0].reshape(shape)
            yield Call(
                softmax.softmax_loss_backward,
                prob,
                run.bottom[1],
                run.top_diff[0],
                run.workspace["norm"],
                dx,
                *self.ignoring,
            )

    def _positions(self, run: Run) -> tuple[int, int, int]:
        return positions((run.bottom[0].shape, run.bottom[1].shape), self.axis)

    def _prob(self, run: Run) -> Array:
        return run.top[1] if len(run.top) == 2 else run.workspace["prob"]
