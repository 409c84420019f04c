"""RocAuc: the area under the ROC curve = the share of pairs (positive, negative) in which the positive scores higher.

A tie counts half. Source: Hanley & McNeil 1982; one against the rest for several classes, as in scikit-learn's
roc_auc_score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from netspec.core.shape import Shapes
from netspec.layers._ranking import Ranking, RankingScore

if TYPE_CHECKING:
    from netspec.core.calls import Array


@dataclass(frozen=True)
class Area(Ranking):
    """The area under the ROC curve."""

    def score(self, negatives: Array, positives: Array) -> float | None:
        """The share of right pairs; None without pairs."""
        pairs = negatives.sum() * positives.sum()
        below = negatives.cumsum() - negatives
        return float((positives * (below + negatives / 2)).sum() / pairs) if pairs else None


class RocAuc(RankingScore):
    """Measure how well scores tell positives from negatives: the area under the ROC curve. It has no gradient.

    Bottom: scores (N, C, ...), labels 0..C-1 (N, ...); or a single score for each label, which is 0 or 1. Top: the
    area, a scalar; of several classes, the mean of each class against the rest. On request, that of each class (C,). A
    class that all positions belong to, or none, has no area: its value is 0, and it is left out of the mean.
    Probabilities of classes need a Softmax below; the order of a single score is the same without a Sigmoid.
    """

    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[5, 3], [5]]}
- {name: prob, type: Softmax, bottom: data}
- {name: area, type: RocAuc, bottom: [prob, label], top: [area, by_class], bins: 1000}
"""

    def measure(self, bottoms: Shapes) -> Area:
        """The area of the positions of all batches."""
        return Area(self.laid(bottoms)[1], self.ignore_label, self.bins)
