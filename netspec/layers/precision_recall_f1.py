"""PrecisionRecallF1: p = right / predicted, r = right / true, F1 = 2 p r / (p + r) = 2 right / (predicted + true).

Of each class: the positions predicted right, all predicted as the class, all that are truly of it. Source: van
Rijsbergen 1979; averages as in scikit-learn's precision_recall_fscore_support.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from netspec.core.model import Aka
from netspec.core.shape import Shapes
from netspec.layers._confusion import Confusion
from netspec.layers._score import ClassScore, portions
from netspec.layers.base import Arity

if TYPE_CHECKING:
    from netspec.core.calls import Array

Average = Literal["MACRO", "WEIGHTED", "MICRO", "NONE"]


@dataclass(frozen=True)
class PrecisionRecall(Confusion):
    """Precision, recall and F1 of each class, or their average, and the positions of each class."""

    average: Average = "MACRO"

    def finish(self, total: Array) -> tuple[Array, ...]:
        """Four scores; a quotient with nothing below the line is 0."""
        import numpy as np

        right, true, predicted = self.counts(total)
        if self.average == "MICRO":
            right, given, guessed = (np.asarray(counts.sum()) for counts in (right, true, predicted))
            return portions(right, guessed), portions(right, given), portions(2 * right, given + guessed), true
        each = (portions(right, predicted), portions(right, true), portions(2 * right, true + predicted))
        if self.average == "NONE":
            return (*each, true)
        weight = true if self.average == "WEIGHTED" else (true + predicted > 0).astype(np.float64)
        return (*(portions((values * weight).sum(), np.asarray(weight.sum())) for values in each), true)


class PrecisionRecallF1(ClassScore):
    """Measure precision, recall and F1 of the classes. It has no gradient.

    Bottom: scores (N, C, ...), labels 0..C-1 (N, ...). Top: precision, recall and F1, three scalars, or with the
    average NONE (C,) each; on request, the number of positions of each class (C,). A class that is never predicted has
    the precision 0, one that does not occur the recall 0. MACRO is the mean over all classes that occur or are
    predicted.
    """

    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[4, 3, 5], [4, 5]]}
- {name: scores, type: PrecisionRecallF1, bottom: [data, label], top: [precision, recall, f1]}
"""

    tops: ClassVar[Arity] = Arity(3, 4)
    is_score: ClassVar[bool] = True

    average: Annotated[Average, Aka("averaging")] = Field(
        "MACRO",
        description=(
            "MACRO: the mean over classes; WEIGHTED: weighted by their positions; MICRO: of all positions together; "
            "NONE: each class."
        ),
    )

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """Scalars or (C,), and (C,)."""
        classes = self.several(bottoms)
        score = (classes,) if self.average == "NONE" else ()
        return (score, score, score, (classes,))[: len(self.top_names())]

    def measure(self, bottoms: Shapes) -> PrecisionRecall:
        """The scores of the positions of all batches."""
        return PrecisionRecall(self.several(bottoms), self.ignore_label, self.average)
