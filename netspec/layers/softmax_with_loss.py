"""SoftmaxWithLoss: the mean over positions of -ln(softmax(x)[label]).

One position loses at most -ln(FLT_MIN) = 87.3365; the divisor is at least 1. Source: Caffe softmax_loss_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.model import Aka
from netspec.core.shape import Shapes, axis_of
from netspec.core.worked import LayerArrays, Term, Worked, softmax, total, unravelled
from netspec.layers._loss import NormalizedLoss, Quotient, cut, positions, sums
from netspec.layers.base import BOTTOM, TOP, Abilities, Arity, Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Array


class SoftmaxWithLoss(NormalizedLoss):
    """The multinomial logistic loss of scores, with the softmax inside.

    Bottom: scores (N, C, ...), labels 0..C-1 (N, ...). Top: the loss, a scalar; on request, the probabilities (N, C,
    ...).
    """

    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[4, 3, 5], [4, 5]]}
- {name: loss, type: SoftmaxWithLoss, bottom: [data, label], ignore_label: 1}
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

    def chance(self, bottoms: Shapes) -> float | None:
        """ln C, where the loss is a mean over the labels that count."""
        outer, classes, inner = positions(bottoms, self.axis)
        divisor = self.divisor(outer, inner)
        mean = divisor == 0 or (divisor == outer * inner and self.ignore_label is None)
        return log(classes) if mean else None

    def metric(self, bottoms: Shapes) -> Quotient:
        """The loss over all positions of all batches."""
        outer, _, inner = positions(bottoms, self.axis)
        return self.quotient(outer, inner)

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

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The first position's probability of its label; the loss of all; the gradient of that label's score."""
        from netspec.kernels.softmax import LOSS_CAP

        scores, labels = arrays.bottoms[:2]
        outer, classes, inner = positions((scores.shape, labels.shape), self.axis)
        flat, own = scores.reshape(outer, classes, inner), labels.reshape(-1).astype(int).tolist()
        counted = self.counted(labels)
        chances = [softmax(flat[p // inner, :, p % inner].tolist(), own[p]) for p in counted]
        losses = [-Term(chance.value).log() for chance in chances]
        losses = [each if each < LOSS_CAP else Term(LOSS_CAP) for each in losses]
        divisor = Term(max(1, self.divisor(outer, inner) or len(counted)))
        place: tuple[int, ...] = ()
        if counted:
            axis, (o, i) = axis_of(self.axis, scores.shape), divmod(counted[0], inner)
            before, after = unravelled(o, scores.shape[:axis]), unravelled(i, scores.shape[axis + 1 :])
            place = (*before, own[counted[0]], *after)
            yield chances[0].at("p", place)
        yield (total(losses) / divisor).at("y", index)
        if arrays.top_diffs and counted:
            gradient = (Term(chances[0].value) - 1.0) * arrays.loss_weight / divisor
            yield gradient.at("dx", place)

    def _positions(self, run: Run) -> tuple[int, int, int]:
        return positions((run.bottom[0].shape, run.bottom[1].shape), self.axis)

    def _prob(self, run: Run) -> Array:
        return run.top[1] if len(run.top) == 2 else run.workspace["prob"]
