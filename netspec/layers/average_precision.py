"""AveragePrecision: AP = sum over falling thresholds n of (r[n] - r[n-1]) p[n], with recall r and precision p.

A threshold is a score that occurs, and positions that score at least so high are found. Source: scikit-learn's
average_precision_score; the mean over classes is the mAP of Everingham et al. 2010, without their interpolation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.core.shape import Shapes
from netspec.layers._ranking import Ranking, RankingScore
from netspec.layers._score import portions

if TYPE_CHECKING:
    from netspec.core.calls import Array


@dataclass(frozen=True)
class Precision(Ranking):
    """The average precision."""

    def score(self, negatives: Array, positives: Array) -> float | None:
        """The precision at each positive, averaged; None without positives."""
        found, right = (negatives + positives)[::-1].cumsum(), positives[::-1].cumsum()
        return float((positives[::-1] * portions(right, found)).sum() / positives.sum()) if positives.any() else None


class AveragePrecision(RankingScore):
    """Measure how early the positives come when positions are sorted by score: average precision. It has no gradient.

    Bottom: scores (N, C, ...), labels 0..C-1 (N, ...); or a single score for each label, which is 0 or 1. Top: the
    average precision, a scalar; of several classes, the mean of each class against the rest. On request, that of each
    class (C,). A class that does not occur has none: its value is 0, and it is left out of the mean.
    """

    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[5, 3], [5]]}
- {name: map, type: AveragePrecision, bottom: [data, label], top: [map, by_class], ignore_label: 2}
"""

    def measure(self, bottoms: Shapes) -> Precision:
        """The average precision of the positions of all batches."""
        return Precision(self.laid(bottoms)[1], self.ignore_label, self.bins)
