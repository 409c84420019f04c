"""SigmoidCrossEntropyLoss: the sum of -(t ln s(x) + (1 - t) ln(1 - s(x))) over N, s the logistic function.

Computed as max(x, 0) - x t + ln(1 + exp(-|x|)). A target is ignored when, cut to a whole number, it is `ignore_label`;
so with `ignore_label: 0` soft targets below 1 are ignored too. Source: Caffe sigmoid_cross_entropy_loss_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import Shapes, count
from netspec.core.worked import LayerArrays, Term, Worked, greatest, total, unravelled
from netspec.layers._loss import NormalizedLoss, Quotient, cut, same_count, sums
from netspec.layers.base import Purpose


class SigmoidCrossEntropyLoss(NormalizedLoss):
    """The logistic loss of independent yes/no scores; `normalization` is BATCH_SIZE unless given.

    Bottom: scores (N, ...), targets in 0..1 (N, ...). Top: the loss, a scalar.
    """

    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, target], shape: [4, 3]}
- {name: half, type: Sigmoid, bottom: target}
- {name: loss, type: SigmoidCrossEntropyLoss, bottom: [data, half], propagate_down: [true, false]}
"""

    usual: ClassVar[str] = "BATCH_SIZE"

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        same_count(bottoms)
        return ((),)

    def metric(self, bottoms: Shapes) -> Quotient:
        """The loss over all scores of all batches."""
        return self.quotient(bottoms[0][0], count(bottoms[0][1:]))

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Each part's sum."""
        return sums(bottoms[0])

    def forward(self, run: Run) -> Calls:
        """Each part's loss; then their mean."""
        from netspec.kernels import loss

        shape, partial = run.bottom[0].shape, run.workspace["partial"]
        divisor = self.divisor(shape[0], count(shape[1:]))
        yield Call(loss.sigmoid_loss_forward, *run.bottom, partial, *self.ignoring, parts=cut(count(shape)))
        yield Call(loss.loss_mean, partial, run.top[0], run.workspace["norm"], divisor, parts=1)

    def backward(self, run: Run) -> Calls:
        """One pass over scores and targets."""
        from netspec.kernels import loss

        if run.bottom_diff[0] is not None:
            norm = run.workspace["norm"]
            yield Call(
                loss.sigmoid_loss_backward, *run.bottom, run.top_diff[0], norm, run.bottom_diff[0], *self.ignoring
            )

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The losses of all scores; then the gradient of the first score that counts."""
        scores, targets = arrays.bottoms
        flat, truth, counted = scores.reshape(-1), targets.reshape(-1), self.counted(targets)
        losses = [_loss(Term(flat[i]), Term(truth[i])) for i in counted]
        divisor = Term(max(1, self.divisor(scores.shape[0], count(scores.shape[1:])) or len(counted)))
        yield (total(losses) / divisor).at("y", index)
        if arrays.top_diffs and counted:
            x, t = Term(flat[counted[0]]), Term(truth[counted[0]])
            gradient = (1.0 / (1.0 + (-x).exp()) - t) * arrays.loss_weight / divisor
            yield gradient.at("dx", unravelled(counted[0], scores.shape))


def _loss(x: Term, t: Term) -> Term:
    """max(x, 0) - x t + ln(1 + e^-|x|)."""
    return greatest([x, Term(0)]) - x * t + (1.0 + (-x).where(x > 0, x).exp()).log()
