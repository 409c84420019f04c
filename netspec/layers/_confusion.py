"""Base of the metrics that follow from counts of (true class, predicted class)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from netspec.layers._score import Classified

if TYPE_CHECKING:
    from netspec.core.calls import Array


@dataclass(frozen=True)
class Confusion(Classified):
    """Counts of pairs of classes; the predicted class is the one with the largest score, of equal scores the first.

    Statistics: (C * C), the matrix row by row: true class, predicted class.
    """

    def measure(self, scores: Array, labels: Array) -> Array:
        """The matrix."""
        import numpy as np

        size = self.classes * self.classes
        counting = self.counting(scores, labels)
        if counting is None:
            return np.full(size, np.nan)
        x, label = counting
        return np.bincount(label * self.classes + x.argmax(axis=1), minlength=size).astype(np.float64)

    def most(self, positions: int) -> int:
        """C * C."""
        return self.classes * self.classes

    def counts(self, total: Array) -> tuple[Array, Array, Array]:
        """(C,) each: positions of a class that are predicted right, positions of it, positions predicted as it."""
        matrix = total.reshape(self.classes, self.classes)
        return matrix.diagonal(), matrix.sum(axis=1), matrix.sum(axis=0)
