"""Calibration: ECE = sum over bins b of n[b] / n * |accuracy[b] - confidence[b]|, the expected calibration error.

The confidence of a position is its largest probability; it is right where that is the probability of its label. The
bins cut 0..1 into equal parts, each without its lower end. Source: Guo, Pleiss, Sun & Weinberger 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from netspec.core.model import Aka
from netspec.core.shape import Shapes
from netspec.layers._score import Classified, ClassScore, portions, probable
from netspec.layers.base import Arity

if TYPE_CHECKING:
    from netspec.core.calls import Array


@dataclass(frozen=True)
class Reliability(Classified):
    """How far confidence and accuracy are apart.

    Statistics: (3, bins): of each bin its positions, the sum of their confidences, those that are right.
    """

    bins: int = 15

    def measure(self, scores: Array, labels: Array) -> Array:
        """The sums. Raises NotProbabilityError."""
        import numpy as np

        counting = self.counting(scores, labels)
        if counting is None:
            return np.full(3 * self.bins, np.nan)
        x, label = counting
        probable(x)
        confidence = x.max(axis=1).astype(np.float64)
        chosen = np.clip(np.ceil(confidence * self.bins).astype(np.int64) - 1, 0, self.bins - 1)
        weights = (None, confidence, x.argmax(axis=1) == label)
        sums = [np.bincount(chosen, weight, self.bins) for weight in weights]
        return np.concatenate(sums).astype(np.float64)

    def most(self, positions: int) -> int:
        """Three sums for each bin."""
        return 3 * self.bins

    def finish(self, total: Array) -> tuple[Array, ...]:
        """A scalar, and (bins,) three times."""
        number, confidence, right = total.reshape(3, self.bins)
        error = abs(right - confidence).sum() / max(1.0, number.sum())
        return error, portions(right, number), portions(confidence, number), number


class Calibration(ClassScore):
    """Measure whether a net is as often right as it is sure: the expected calibration error. It has no gradient.

    Bottom: probabilities (N, C, ...), as Softmax gives them, labels 0..C-1 (N, ...). Top: the error, a scalar, 0 at
    best; on request, for a diagram, (bins,) each: the accuracy, the mean confidence, and the number of positions, whose
    confidence lies in a bin.
    """

    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[5, 3], [5]]}
- {name: prob, type: Softmax, bottom: data}
- {name: calibration, type: Calibration, bottom: [prob, label], top: [ece, accuracy, confidence, positions], bins: 4}
"""

    tops: ClassVar[Arity] = Arity(1, 4)

    bins: Annotated[int, Aka("n_bins", "num_bins")] = Field(
        15, gt=0, le=2**20, description="Number of equal parts of 0..1."
    )

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar, and (bins,) for each further top."""
        self.several(bottoms)
        return ((), *((self.bins,),) * 3)[: len(self.top_names())]

    def measure(self, bottoms: Shapes) -> Reliability:
        """The calibration of the positions of all batches."""
        return Reliability(self.several(bottoms), self.ignore_label, self.bins)
