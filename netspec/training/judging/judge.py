"""Judge: the scores of a head over a test, block by block, by the Metrics that score layers have.

Memory does not grow with the samples, but for the area under the ROC curve: up to EXACT scores all of them are kept,
and the area is exact. Of more, only how many fall into each of many equal parts of the log-odds, ln(p / (1 - p)): two
samples in one part count as a tie. Where scores are no probabilities, there is no area then.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

from netspec.core.task import Task
from netspec.layers.roc_auc import Area
from netspec.training.judging.worst import Worst

if TYPE_CHECKING:
    from netspec.core.calls import Array

EXACT = 2**22
"""Scores of a test of which the area under the ROC curve is exact."""
_COUNTS, _LEAST_BINS, _MOST_BINS = 2**21, 64, 2**14
_ODDS = -108.0, 37.0
"""The log-odds that are told apart: doubles next to 1 end at 36.7, and small ones are rarely below."""
FLOOR = 1e-20
"""The least probability whose logarithm is taken."""
LISTED = 20
"""Labels or numbers of a sample that are listed."""
QUOTIENTS = ("precision", "recall", "f1")
"""What PrecisionRecall gives, before the positions of each class."""


class _Measure(Protocol):
    def measure(self, scores: Array, labels: Array) -> Array: ...

    def combine(self, total: Array, batch: Array) -> Array: ...

    def finish(self, total: Array) -> tuple[Array, ...]: ...


class Total:
    """A measure, and its statistics of all blocks so far."""

    def __init__(self, measure: _Measure) -> None:
        self.measure = measure
        self.total: Array | None = None

    def add(self, scores: Array, truth: Array) -> None:
        """Add the statistics of a block: scores (M, C) and truth (M,), or equally many."""
        found = self.measure.measure(scores, truth)
        self.total = found if self.total is None else self.measure.combine(self.total, found)

    def finish(self) -> tuple[Array, ...]:
        """The scores of all blocks."""
        assert self.total is not None
        return self.measure.finish(self.total)


class AreaTotal(Total):
    """The area under the ROC curve of each of `classes` classes, in a test that has `number` scores.

    Of few scores all are kept, whatever they are; else they must be probabilities.
    """

    def __init__(self, classes: int, ignore: int | None, number: int) -> None:
        self.bins = None if number <= EXACT else max(_LEAST_BINS, min(_MOST_BINS, _COUNTS // classes))
        super().__init__(Area(classes, ignore, self.bins))

    def add(self, scores: Array, truth: Array) -> None:
        """Add a block; counts are of log-odds, brought to 0..1."""
        import numpy as np

        if self.bins is not None:
            with np.errstate(divide="ignore"):
                odds = np.log(scores) - np.log1p(-scores)
            scores = (odds.clip(*_ODDS) - _ODDS[0]) / (_ODDS[1] - _ODDS[0])
        super().add(scores, truth)


class Judge(ABC):
    """The scores of a head with C classes, labels or numbers at each position of a sample."""

    def __init__(self, task: Task, size: int, names: tuple[str, ...] | None, worst: Worst) -> None:
        self.task, self.size, self.names, self.worst = task, size, names, worst

    @abstractmethod
    def block(self, first: int, x: Array, t: Array, *own: Array) -> None:
        """Judge samples from position `first` on: scores x (N, P, C), the truth t; of numbers both in own units."""

    @abstractmethod
    def finish(self) -> dict[str, Any]:
        """The scores of all blocks as plain values."""


def means(losses: Array, counting: Array) -> Array:
    """The mean loss (N,) of the positions of each sample that count; both (N, M). 0 where none counts."""
    result: Array = (losses * counting).sum(axis=1) / counting.sum(axis=1).clip(1)
    return result
