"""HingeLoss: the sum over all scores of max(0, 1 - d s) or of its square, over N; d is 1 at the label and -1 elsewhere.

Source: Caffe hinge_loss_layer.cpp. Every class is asked for its margin by itself, one against all others;
MultiClassHingeLoss compares the classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from netspec.core.calls import Call, Calls, Run
from netspec.core.shape import Shapes
from netspec.core.worked import LayerArrays, Term, Worked, greatest, total
from netspec.layers._class_loss import ClassLoss
from netspec.layers._loss import cut, matrix, mean_of
from netspec.layers.base import Purpose


class HingeLoss(ClassLoss):
    """Ask the score of the true class to be at least 1, and every other to be at most -1.

    Bottom: scores (N, C, ...), where all axes but the first count as classes; labels 0..C-1 (N,). Top: the loss, a
    scalar.
    """

    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[4, 5], [4]]}
- {name: ip, type: InnerProduct, num_output: 3, bottom: data, weight_filler: xavier}
- {name: loss, type: HingeLoss, bottom: [ip, label], norm: L2}
"""

    norm: Literal["L1", "L2"] = Field("L1", description="Whether shortfalls are added, or their squares.")

    def chance(self, bottoms: Shapes) -> float:
        """C, where all scores are 0."""
        return float(matrix(bottoms[0])[1])

    def forward(self, run: Run) -> Calls:
        """Each part's sum; then their mean."""
        from netspec.kernels import loss_margin

        scores, squared = self.scores(run), int(self.norm == "L2")
        partial = run.workspace["partial"]
        yield Call(loss_margin.hinge_forward, scores, run.bottom[1], partial, squared, parts=cut(scores.size))
        yield mean_of(run, scores.shape[0])

    def backward(self, run: Run) -> Calls:
        """One pass over the scores."""
        from netspec.kernels import loss_margin

        if run.bottom_diff[0] is not None:
            shape, squared = matrix(run.bottom[0].shape), int(self.norm == "L2")
            scores, dx = run.bottom[0].reshape(shape), run.bottom_diff[0].reshape(shape)
            norm = run.workspace["norm"]
            yield Call(loss_margin.hinge_backward, scores, run.bottom[1], run.top_diff[0], norm, dx, squared)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The shortfalls of all scores."""
        scores, labels = arrays.bottoms[0], arrays.bottoms[1].reshape(-1).astype(int).tolist()
        rows, samples = scores.reshape(matrix(scores.shape)), Term(scores.shape[0])
        short = [
            greatest([Term(0), 1.0 - Term(value) if c == own else 1.0 + Term(value)])
            for row, own in zip(rows, labels, strict=True)
            for c, value in enumerate(row)
        ]
        power = 2 if self.norm == "L2" else 1
        yield (total([each.power(2) for each in short] if power == 2 else short) / samples).at("y", index)
