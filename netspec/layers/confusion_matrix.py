"""ConfusionMatrix: m[i, j] = the number of positions of class i for which class j has the largest score.

Of equal scores the first counts as the largest. Source: Stehman 1997; scikit-learn's confusion_matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from netspec.core.model import Aka
from netspec.core.shape import Shapes
from netspec.layers._confusion import Confusion
from netspec.layers._score import ClassScore, portions

if TYPE_CHECKING:
    from netspec.core.calls import Array


@dataclass(frozen=True)
class Matrix(Confusion):
    """The matrix of counts, or of shares."""

    normalize: Literal["NONE", "ROWS", "COLUMNS", "ALL"] = "NONE"

    def finish(self, total: Array) -> tuple[Array, ...]:
        """(C, C): rows are true classes, columns predicted ones; a row or column without positions is 0."""
        import numpy as np

        matrix = total.reshape(self.classes, self.classes)
        if self.normalize == "NONE":
            return (matrix,)
        axis = {"ROWS": 1, "COLUMNS": 0, "ALL": None}[self.normalize]
        return (portions(matrix, np.asarray(matrix.sum(axis=axis, keepdims=True))),)


class ConfusionMatrix(ClassScore):
    """Count how often each class is taken for each other. It has no gradient.

    Bottom: scores (N, C, ...), labels 0..C-1 (N, ...). Top: the matrix (C, C); a row for each true class, a column for
    each predicted one.
    """

    example: ClassVar[str] = """
- {name: data, type: Input, top: [data, label], shape: [[4, 3, 5], [4, 5]]}
- {name: confusion, type: ConfusionMatrix, bottom: [data, label], normalize: ROWS, ignore_label: 1}
"""

    normalize: Annotated[Literal["NONE", "ROWS", "COLUMNS", "ALL"], Aka("normalized")] = Field(
        "NONE",
        description="NONE: counts. Shares: of each true class (ROWS), of each predicted class (COLUMNS), or of ALL.",
    )

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(C, C)."""
        return ((self.several(bottoms),) * 2,)

    def measure(self, bottoms: Shapes) -> Matrix:
        """The matrix of the positions of all batches."""
        return Matrix(self.several(bottoms), self.ignore_label, self.normalize)
