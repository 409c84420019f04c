"""MultinomialLogisticLoss: the mean over samples of -ln max(p[label], 1e-20), p probabilities.

A sample loses at most -ln 1e-20 = 46.05. Source: Caffe multinomial_logistic_loss_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import ClassVar

from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes
from netspec.core.task import Task
from netspec.core.worked import LayerArrays, Term, Worked, total
from netspec.layers._class_loss import ClassLoss
from netspec.layers._loss import cut, matrix, mean_of
from netspec.layers.base import Purpose


class MultinomialLogisticLoss(ClassLoss):
    """The logistic loss of probabilities that a net computes itself.

    Bottom: probabilities (N, C, ...), where all axes but the first count as classes; labels 0..C-1 (N,). Top: the loss,
    a scalar. For scores, SoftmaxWithLoss computes both in one, and its gradient stays finite.
    """

    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[4, 5], [4]]}
- {name: ip, type: InnerProduct, num_output: 3, bottom: data, weight_filler: xavier}
- {name: prob, type: Softmax}
- {name: loss, type: MultinomialLogisticLoss, bottom: [prob, label]}
"""

    def task(self, bottoms: Shapes) -> Task:
        """One of the classes, whose probabilities are given."""
        return Task("classes", axis=None)

    def chance(self, bottoms: Shapes) -> float:
        """The loss where all classes are equally likely: ln C."""
        return log(matrix(bottoms[0])[1])

    def forward(self, run: Run) -> Calls:
        """Each part's sum; then their mean."""
        from netspec.kernels import loss_softmax

        prob = self.scores(run)
        partial = run.workspace["partial"]
        yield Call(loss_softmax.multinomial_forward, prob, run.bottom[1], partial, parts=cut(prob.size))
        yield mean_of(run, prob.shape[0])

    def backward(self, run: Run) -> Calls:
        """-1 / (N p) at the labels."""
        from netspec.kernels import loss_softmax

        if run.bottom_diff[0] is not None:
            shape = matrix(run.bottom[0].shape)
            prob, dx = run.bottom[0].reshape(shape), run.bottom_diff[0].reshape(shape)
            yield Call(
                loss_softmax.multinomial_backward, prob, run.bottom[1], run.top_diff[0], run.workspace["norm"], dx
            )

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The losses of all samples."""
        from netspec.kernels.loss_softmax import FLOOR

        prob, labels = arrays.bottoms[0], arrays.bottoms[1].reshape(-1).astype(int).tolist()
        rows = prob.reshape(matrix(prob.shape))
        own = [Term(max(FLOOR, row[label])) for row, label in zip(rows, labels, strict=True)]
        yield (total([-chance.log() for chance in own]) / Term(len(rows))).at("y", index)
