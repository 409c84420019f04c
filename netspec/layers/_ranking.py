"""Base of the scores that follow from the order of all positions: RocAuc, AveragePrecision."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from netspec.core.model import Aka
from netspec.core.shape import Shapes, count
from netspec.layers._loss import positions
from netspec.layers._score import Classified, ClassScore, probable
from netspec.layers.base import Arity

if TYPE_CHECKING:
    from netspec.core.calls import Array


@dataclass(frozen=True)
class Ranking(Classified):
    """A score of each class, the positives, against all others, the negatives; and the mean of these scores.

    With `bins` None the statistics are all labels and scores, a row (label, C scores) for each position. Else they are
    counts (C, 2, bins) of negatives and of positives: equal parts of 0..1 that scores lie in. One class stands for
    class 1 of two.
    """

    bins: int | None = None

    def measure(self, scores: Array, labels: Array) -> Array:
        """The rows, or the counts. Raises NotProbabilityError where a score lies in no bin."""
        import numpy as np

        counting = self.counting(scores, labels)
        if counting is None:
            return np.full(self.most(1), np.nan)
        x, label = counting
        if self.bins is None:
            return np.column_stack([label, x]).astype(np.float64).reshape(-1)
        probable(x)
        chosen = np.clip((x.astype(np.float64) * self.bins).astype(np.int64), 0, self.bins - 1)
        classes = np.arange(self.classes)
        positive = label[:, None] == (classes if self.classes > 1 else 1)
        places = ((classes * 2 + positive) * self.bins + chosen).reshape(-1)
        return np.bincount(places, minlength=self.most(1)).astype(np.float64)

    def most(self, positions: int) -> int:
        """All rows, or all counts."""
        return positions * (1 + self.classes) if self.bins is None else self.classes * 2 * self.bins

    def combine(self, total: Array, batch: Array) -> Array:
        """Rows are joined, counts added."""
        import numpy as np

        return np.concatenate([total, batch]) if self.bins is None else total + batch

    def finish(self, total: Array) -> tuple[Array, ...]:
        """The mean over the classes that have a score, 0 without any, and the score of each class, 0 without one."""
        import numpy as np

        found = [self.score(*counts) for counts in self._counts(total)]
        known = [value for value in found if value is not None]
        mean = sum(known) / max(1, len(known))
        return np.asarray(mean, np.float64), np.array([value or 0.0 for value in found])

    def _counts(self, total: Array) -> Iterator[tuple[Array, Array]]:
        """For each class, the negatives and the positives with each score, from the lowest score to the highest."""
        import numpy as np

        if self.bins is not None:
            for negatives, positives in total.reshape(self.classes, 2, self.bins):
                yield negatives, positives
            return
        label, *scores = total.reshape(-1, 1 + self.classes).T
        for i, values in enumerate(scores):
            positive = label == (i if self.classes > 1 else 1)
            different, place = np.unique(values, return_inverse=True)
            all, positives = (
                np.bincount(place[chosen], minlength=len(different)) for chosen in (slice(None), positive)
            )
            yield (all - positives).astype(np.float64), positives.astype(np.float64)

    @abstractmethod
    def score(self, negatives: Array, positives: Array) -> float | None:
        """The score of a class, from counts (M,) by rising score; None where it has none."""


class RankingScore(ClassScore):
    """A score of how well a class's scores tell it from the others."""

    tops: ClassVar[Arity] = Arity(1, 2)
    is_score: ClassVar[bool] = True

    bins: Annotated[int | None, Aka("thresholds", "num_thresholds", "n_bins")] = Field(
        None,
        gt=1,
        le=2**20,
        description=(
            "Left out: exact; a test keeps all its scores. Else scores, which must lie in 0..1, are told apart by so "
            "many equal parts, and only counts are kept."
        ),
    )

    def laid(self, bottoms: Shapes) -> tuple[int, int, int]:
        """One class where there is a single score for each label."""
        scores, labels = bottoms
        return (count(scores), 1, 1) if scores and count(scores) == count(labels) else positions(bottoms, self.axis)

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """The labels must name one of the C scores; with a single score, one of two classes."""
        return {1: (max(2, self.laid(bottoms)[1]), self.ignore_label)}

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """A scalar, and (C,) for a second top."""
        return ((), (self.laid(bottoms)[1],))[: len(self.top_names())]
