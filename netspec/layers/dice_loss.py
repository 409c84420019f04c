"""DiceLoss: 1 - (2 sum p t + smooth) / (sum p + sum t + smooth) of each channel of each sample, and their mean.

With `squared` the denominator is sum p^2 + sum t^2 + smooth. Source: Milletari, Navab & Ahmadi 2016, V-Net, who square.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import ShapeError, Shapes, count
from netspec.core.task import Task
from netspec.core.worked import LayerArrays, Term, Worked, total
from netspec.layers._loss import LabelLoss, Quotient, cut, mean_of, positions, sums
from netspec.layers.base import Purpose


class DiceLoss(LabelLoss):
    """The lack of overlap between regions that a net finds and the true regions: segmentation of small objects.

    Bottom: probabilities (N, C, ...), as a Sigmoid or Softmax gives them; the truth, of that shape with numbers 0..1,
    or labels 0..C-1 (N, ...), which are told apart by their number. Top: the loss, a scalar. By default it is the mean
    over the channels of all samples (`normalization: FULL`); BATCH_SIZE adds the channels of a sample.
    """

    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[2, 3, 5, 4], [2, 5, 4]]}
- {name: conv, type: Convolution, num_output: 3, kernel_size: 1, bottom: data, weight_filler: xavier}
- {name: prob, type: Softmax}
- {name: loss, type: DiceLoss, bottom: [prob, label]}
"""

    usual: ClassVar[str] = "FULL"

    smooth: float = Field(1.0, gt=0, description="Added above and below, so that empty regions have a loss.")
    squared: bool = Field(False, description="Whether the denominator adds squares.")

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        self._planes(bottoms)
        if self._soft(bottoms) and self.ignore_label is not None:
            raise ShapeError(
                "`ignore_label` needs labels, but {bottom[1]} is as large as {bottom[0]}", field="ignore_label"
            )
        return ((),)

    def _soft(self, bottoms: Shapes) -> bool:
        """Whether the truth is a number for each probability."""
        return bottoms[0] == bottoms[1]

    def _planes(self, bottoms: Shapes) -> tuple[int, int, int]:
        """(N, C, values of a channel)."""
        if self._soft(bottoms) and len(bottoms[0]) > 1:
            return bottoms[0][0], bottoms[0][1], count(bottoms[0][2:])
        return positions(bottoms, 1)

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """Labels must name one of the C channels."""
        return {} if self._soft(bottoms) else {1: (self._planes(bottoms)[1], self.ignore_label)}

    def task(self, bottoms: Shapes) -> Task:
        """One of the channels at each position, or any of them."""
        return Task("labels" if self._soft(bottoms) else "classes", ignore=self.ignore_label)

    def metric(self, bottoms: Shapes) -> Quotient:
        """The loss over the channels of all samples."""
        samples, channels, _ = self._planes(bottoms)
        return self.quotient(samples, channels)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Overlap and mass of each channel; each part's sum."""
        samples, channels, _ = self._planes(bottoms)
        return {"planes": Workspace((samples * channels * 2,), "float64", kept=True)} | sums(bottoms[0])

    def forward(self, run: Run) -> Calls:
        """Each part's sum; then their mean."""
        from netspec.kernels import dice

        shapes = _shapes(run)
        planes, partial = self._planes(shapes), run.workspace["partial"]
        arrays = run.bottom[0].reshape(planes), run.bottom[1], run.workspace["planes"], partial
        settings = self.smooth, int(self.squared), int(self._soft(shapes)), *self.ignoring
        yield Call(dice.dice_forward, *arrays, *settings, parts=cut(run.bottom[0].size))
        yield mean_of(run, self.divisor(*planes[:2]))

    def backward(self, run: Run) -> Calls:
        """One pass over the probabilities."""
        from netspec.kernels import dice

        if run.bottom_diff[0] is not None:
            shapes = _shapes(run)
            planes, space = self._planes(shapes), run.workspace
            arrays = run.bottom[0].reshape(planes), run.bottom[1], space["planes"], run.top_diff[0], space["norm"]
            settings = int(self.squared), int(self._soft(shapes)), *self.ignoring
            yield Call(dice.dice_backward, *arrays, run.bottom_diff[0].reshape(planes), *settings)

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The lack of overlap of each channel."""
        p, truth = arrays.bottoms
        shapes = p.shape, truth.shape
        samples, channels, inner = self._planes(shapes)
        rows, soft = p.reshape(samples * channels, inner).tolist(), self._soft(shapes)
        given = truth.reshape(-1, inner).tolist()
        losses = []
        for plane, row in enumerate(rows):
            its = given[plane] if soft else [float(label == plane % channels) for label in given[plane // channels]]
            labels = [None] * inner if soft else given[plane // channels]
            pairs = [
                (Term(a), Term(b))
                for a, b, label in zip(row, its, labels, strict=True)
                if label is None or label != self.ignore_label
            ]
            overlap = 2.0 * total([a * b for a, b in pairs]) + self.smooth
            mass = total([a.power(2) + b.power(2) if self.squared else a + b for a, b in pairs]) + self.smooth
            losses.append(1.0 - overlap / mass)
        divisor = Term(self.divisor(samples, channels) or len(losses))
        yield (total(losses) / divisor).at("y", index)


def _shapes(run: Run) -> Shapes:
    return run.bottom[0].shape, run.bottom[1].shape
