"""Base of scores: metrics that are functions of two arrays, and the layers that run them (decision 35)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Routine, Run, Workspace
from netspec.core.errors import SpecError
from netspec.core.metric import Metric
from netspec.core.model import Aka
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import ShapeError, Shapes, count, counted
from netspec.core.task import Task
from netspec.layers._loss import positions
from netspec.layers.base import NOTHING, TWO, Abilities, Arity, BatchAxes, Layer, Purpose

if TYPE_CHECKING:
    from netspec.core.calls import Array


class NotProbabilityError(SpecError):
    """A score that must be a probability is less than 0 or more than 1."""

    code = "NS316"


class Measure(Metric):
    """A metric that needs no net: `measure` makes statistics of two arrays.

    `finish(measure(scores, labels))` is the score of these arrays; over several batches, `combine` comes between. In a
    net, forward leaves the statistics in a workspace, behind their number.
    """

    space = "statistics"

    @abstractmethod
    def measure(self, scores: Array, labels: Array) -> Array:
        """The statistics, float64 (M,), of scores (N, C, ...) and labels (N, ...).

        They are NaN where a label that counts is no class, or a score NaN.
        """

    @abstractmethod
    def most(self, positions: int) -> int:
        """The largest number of statistics of so many positions."""

    def statistics(self, space: Array) -> Array:
        """As many values as the first one says."""
        return space[1 : 1 + int(space[0])].copy()


@dataclass(frozen=True)
class Classified(Measure):
    """A metric of the scores of `classes` classes; positions with the label `ignore` count for nothing."""

    classes: int
    ignore: int | None = None

    def counting(self, scores: Array, labels: Array) -> tuple[Array, Array] | None:
        """Scores (P, C) and classes (P,) of the positions that count; None where one of them is not valid.

        A single score for each position is that of class 1 of two.
        """
        import numpy as np

        labels = labels.reshape(-1)
        x = np.moveaxis(scores.reshape(-1, 1, 1) if self.classes == 1 else scores, 1, -1).reshape(-1, self.classes)
        if self.ignore is not None:
            kept = labels != self.ignore
            x, labels = x[kept], labels[kept]
        right = (labels >= 0) & (labels < max(2, self.classes)) & (labels == np.floor(labels))
        return (x, labels.astype(np.int64)) if right.all() and not np.isnan(x).any() else None


class Score(Layer):
    """A layer whose tops are the scores of a Measure. It has no gradient."""

    purpose: ClassVar[Purpose] = "score"
    bottoms: ClassVar[Arity] = TWO
    differentiable: ClassVar[bool] = False
    no_diff: ClassVar[frozenset[int]] = frozenset({1})

    @property
    def abilities(self) -> Abilities:
        """No backward."""
        return Abilities(reads=NOTHING)

    def batch_axes(self, bottoms: Shapes, axes: BatchAxes) -> BatchAxes:
        """No batch axis: scores are of the whole batch."""
        return (None,) * len(self.top_names())

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The whole image."""
        return union(bottoms, fields).whole(True, True)

    def laid(self, bottoms: Shapes) -> tuple[int, int, int]:
        """The shape in which its metric reads the scores."""
        return count(bottoms[0]), 1, 1

    def measure(self, bottoms: Shapes) -> Measure:
        """The metric of all its tops; a layer with kernels for its statistics has none, and a `metric` of its own."""
        raise NotImplementedError

    def metric(self, bottoms: Shapes) -> Metric:
        """The metric of all its tops."""
        return self.measure(bottoms)

    def workspaces(self, bottoms: Shapes, backward: bool) -> dict[str, Workspace]:
        """The number of statistics, and the statistics."""
        most = self.measure(bottoms).most(count(bottoms[1]))
        return {"statistics": Workspace((1 + most,), "float64", score=True)}

    def forward(self, run: Run) -> Calls:
        """One Call of Python: the statistics, and the scores of this batch alone."""
        shapes = (run.bottom[0].shape, run.bottom[1].shape)
        measure, laid = self.measure(shapes), self.laid(shapes)

        def score(scores: Array, labels: Array, space: Array, *tops: Array) -> None:
            try:
                found = measure.measure(scores.reshape(laid), labels)
            except NotProbabilityError as error:
                text = f"layer '{self.name}' ({self.type}): {error.message}"
                raise NotProbabilityError(text, at=self.place("bottom", 0), help=error.help) from None
            space[0] = len(found)
            space[1 : 1 + len(found)] = found
            values = (float("nan"),) * len(tops) if (found != found).any() else measure.finish(found)
            for top, value in zip(tops, values, strict=False):
                top[...] = value

        yield Call(Routine(f"{self.type}.score", score), *run.bottom, run.workspace["statistics"], *run.top)

    def backward(self, run: Run) -> Calls:
        """No Calls."""
        yield from ()


class ClassScore(Score):
    """A score of the scores of classes, along an axis, and of labels."""

    axis: Annotated[int, Aka("axes", "dim")] = Field(
        1, description="The axis of the classes; negative counts from the end."
    )
    ignore_label: Annotated[int | None, Aka("ignore_index")] = Field(
        None, description="Positions with this label count for nothing."
    )

    def laid(self, bottoms: Shapes) -> tuple[int, int, int]:
        """(outer, C, inner) of the scores. Raises ShapeError."""
        return positions(bottoms, self.axis)

    def several(self, bottoms: Shapes) -> int:
        """C, the number of classes. Raises ShapeError where it is 1: every position is of that class."""
        _, classes, _ = self.laid(bottoms)
        if classes < 2:
            raise ShapeError(
                f"{{bottom[0]}} has scores of {counted(classes, 'class', 'classes')}, but {self.type} needs 2 or more",
                field="bottom.0",
            )
        return classes

    def task(self, bottoms: Shapes) -> Task:
        """The class of the best score; of a single score, whether it is above 0."""
        return Task("classes" if self.laid(bottoms)[1] > 1 else "labels", "scores", self.axis, ignore=self.ignore_label)

    def classes(self, bottoms: Shapes) -> dict[int, tuple[int, int | None]]:
        """The labels must name one of the C scores."""
        return {1: (self.laid(bottoms)[1], self.ignore_label)}


def portions(parts: Array, wholes: Array) -> Array:
    """Quotients, 0 where the whole is 0."""
    import numpy as np

    return np.divide(parts, wholes, out=np.zeros(np.broadcast(parts, wholes).shape), where=wholes > 0)


def probable(scores: Array) -> None:
    """Raise NotProbabilityError unless all scores lie in 0..1, but for rounding."""
    wrong = scores[(scores < -1e-6) | (scores > 1 + 1e-6)]
    if wrong.size:
        text = f"reads a score of {wrong[0]:.6g}, which is no probability: it must lie in 0..1"
        raise NotProbabilityError(text, help="put a Softmax layer, or for a single score a Sigmoid, below it")
