"""PerceptronLoss: the mean over samples of max(0, -y s), y = -1 or 1; of several classes, max(0, s[wrong] - s[true]).

`wrong` is the best of the wrong classes. Where y s is 0, or the classes tie, the gradient is that of a mistake: so a
perceptron learns from weights of zero.
Source: Rosenblatt 1958; Crammer & Singer 2003 for several classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes
from netspec.core.worked import LayerArrays, Term, Worked, greatest, total
from netspec.layers._class_loss import ClassLoss
from netspec.layers._loss import cut, matrix, mean_of
from netspec.layers.base import Purpose


class PerceptronLoss(ClassLoss):
    """Ask the right side of 0 of a single score, or the true class to be the best of several; by how much is no matter.

    Bottom: scores (N, C, ...), where all axes but the first count as classes; labels (N,). Labels are 0..C-1; of a
    single score they are 0 and 1, which stand for y = -1 and y = 1. Top: the loss, a scalar.
    """

    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[4, 5], [4]]}
- {name: ip, type: InnerProduct, num_output: 1, bottom: data, weight_filler: xavier}
- {name: loss, type: PerceptronLoss, bottom: [ip, label]}
"""

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """The labels must name one of the C scores; 0 or 1 for a single score."""
        return {1: (max(2, matrix(bottoms[0])[1]), None)}

    def forward(self, run: Run) -> Calls:
        """Each part's sum; then their mean."""
        from netspec.kernels import loss_margin

        scores = self.scores(run)
        partial = run.workspace["partial"]
        yield Call(loss_margin.perceptron_forward, scores, run.bottom[1], partial, parts=cut(scores.size))
        yield mean_of(run, scores.shape[0])

    def backward(self, run: Run) -> Calls:
        """One pass over the scores."""
        from netspec.kernels import loss_margin

        if run.bottom_diff[0] is not None:
            shape = matrix(run.bottom[0].shape)
            scores, dx = run.bottom[0].reshape(shape), run.bottom_diff[0].reshape(shape)
            yield Call(
                loss_margin.perceptron_backward, scores, run.bottom[1], run.top_diff[0], run.workspace["norm"], dx
            )

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """What each sample lacks."""
        scores, labels = arrays.bottoms[0], arrays.bottoms[1].reshape(-1).astype(int).tolist()
        rows = scores.reshape(matrix(scores.shape)).tolist()
        lacks = [_lacking(row, own) for row, own in zip(rows, labels, strict=True)]
        samples = Term(len(rows))
        yield (total([greatest([Term(0), each]) for each in lacks]) / samples).at("y", index)


def _lacking(row: list[float], own: int) -> Term:
    """By how much the true class is behind."""
    if len(row) == 1:
        return -Term(row[0]) if own else Term(row[0])
    return greatest([Term(value) for c, value in enumerate(row) if c != own]) - Term(row[own])
