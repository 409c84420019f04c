"""MultiClassHingeLoss: the mean over samples of the sum of max(0, s[j] - s[label] + margin) over the wrong classes j.

Source: Weston & Watkins 1999, the multi-class SVM loss. (Caffe's HingeLoss is a different loss: one-vs-all.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run
from netspec.core.worked import LayerArrays, Term, Worked, greatest, total
from netspec.layers._class_loss import ClassLoss
from netspec.layers._loss import cut, matrix, mean_of
from netspec.layers.base import Purpose


class MultiClassHingeLoss(ClassLoss):
    """Ask the score of the true class to beat every other by a margin.

    Bottom: scores (N, C, ...), where all axes but the first count as classes; labels 0..C-1 (N,). Top: the loss, a
    scalar.
    """

    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[4, 3], [4]]}
- {name: loss, type: MultiClassHingeLoss, bottom: [data, label], margin: 0.5}
"""

    margin: float = Field(1.0, gt=0, allow_inf_nan=False, description="By how much the true class must win.")

    def forward(self, run: Run) -> Calls:
        """Each part's loss; then their mean."""
        from netspec.kernels import loss

        scores, partial = self.scores(run), run.workspace["partial"]
        yield Call(loss.multi_class_hinge_forward, scores, run.bottom[1], partial, self.margin, parts=cut(scores.size))
        yield mean_of(run, scores.shape[0])

    def backward(self, run: Run) -> Calls:
        """One pass over the scores."""
        from netspec.kernels import loss

        if run.bottom_diff[0] is not None:
            shape = matrix(run.bottom[0].shape)
            scores, dx = run.bottom[0].reshape(shape), run.bottom_diff[0].reshape(shape)
            yield Call(loss.multi_class_hinge_backward, scores, run.bottom[1], run.top_diff[0], dx, self.margin)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The shortfall of the margin for each wrong class."""
        scores, labels = arrays.bottoms[0], arrays.bottoms[1].reshape(-1).astype(int).tolist()
        rows, samples = scores.reshape(matrix(scores.shape)), Term(scores.shape[0])
        short = [
            greatest([Term(0), Term(row[c]) - Term(row[own]) + self.margin])
            for row, own in zip(rows, labels, strict=True)
            for c in range(len(row))
            if c != own
        ]
        yield (total(short) / samples).at("y", index)
