"""EuclideanLoss: the sum of (a - b)**2 over 2N, N the batch size. Source: Caffe euclidean_loss_layer.cpp."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from netspec.core.calls import Call, Calls, Run, Workspace
from netspec.core.shape import Shape, Shapes, count
from netspec.core.task import Task
from netspec.core.worked import LayerArrays, Term, Worked, total
from netspec.layers._loss import Loss, Quotient, cut, mean_of, same_count, sums
from netspec.layers.base import Purpose


class EuclideanLoss(Loss):
    """Half the squared distance between two blobs, per sample: regression.

    Bottom: a and b (N, ...), equally many values, or both a single number; both may receive a gradient. Top: the loss,
    a scalar.
    """

    purpose: ClassVar[Purpose] = "loss"
    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, target], shape: [4, 3]}
- {name: loss, type: EuclideanLoss, bottom: [data, target]}
"""

    no_diff: ClassVar[frozenset[int]] = frozenset()

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar."""
        if bottoms != ((), ()):  # two numbers are a single sample
            same_count(bottoms)
        return ((),)

    def task(self, bottoms: Shapes) -> Task:
        """Numbers."""
        return Task("numbers")

    def metric(self, bottoms: Shapes) -> Quotient:
        """The loss over the samples of all batches."""
        return Quotient(2 * _samples(bottoms[0]))

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """Each part's sum."""
        return sums(bottoms[0])

    def forward(self, run: Run) -> Calls:
        """Each part's sum; then their mean."""
        from netspec.kernels import loss

        a, b = run.bottom
        yield Call(loss.euclidean_forward, a, b, run.workspace["partial"], parts=cut(count(a.shape)))
        yield mean_of(run, 2 * _samples(a.shape))

    def backward(self, run: Run) -> Calls:
        """(a - b) / N to a, the opposite to b."""
        from netspec.kernels import loss

        for diff, sign in zip(run.bottom_diff, (1, -1), strict=True):
            if diff is not None:
                yield Call(
                    loss.euclidean_backward, *run.bottom, run.top_diff[0], diff, sign * _samples(run.bottom[0].shape)
                )

    def worked(self, arrays: LayerArrays, index: tuple[int, ...]) -> Iterator[Worked]:
        """The squares of all differences."""
        a, b = arrays.bottoms
        samples = Term(_samples(a.shape))
        apart = [Term(left) - Term(right) for left, right in zip(a.reshape(-1), b.reshape(-1), strict=True)]
        yield (total([each.power(2) for each in apart]) / (2.0 * samples)).at("y", index)


def _samples(shape: Shape) -> int:
    """The batch size; a number without axes is one sample."""
    return shape[0] if shape else 1
