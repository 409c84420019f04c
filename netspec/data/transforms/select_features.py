"""SelectFeatures: the features of the largest variance, or of the largest F-score.

F = (sum_c n_c (m_c - m)^2 / (C - 1)) / (sum_c sum_{i in c} (x_i - m_c)^2 / (N - C)): how far the means m_c of the
classes lie apart, by the spread inside them. Source: Fisher 1925, analysis of variance; as in scikit-learn's f_classif.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from netspec.core.model import Aka, wrong
from netspec.core.shape import ANY, Shape, ShapeError, Shapes, counted
from netspec.data.transforms.base import Apply, Setting, Transform
from netspec.data.transforms.base_computed import check_finite, features, moments
from netspec.data.transforms.base_soft import MixedError, of_output

if TYPE_CHECKING:
    from netspec.data.computed import Arrays
    from netspec.data.transforms.base import Array, Draw


class SelectFeatures(Transform):
    """Keep some features (F,) in their order: a number of the best by a score, or all of more than some variance."""

    by: Annotated[Literal["variance", "f_score"], Aka("score_func", "method")] = Field(
        "variance", description="What a good feature has: a large variance, or a large F-score of the classes."
    )
    number: Annotated[int | None, Aka("k", "n_features")] = Field(None, gt=0, description="How many are kept.")
    above: Annotated[float | None, Aka("threshold")] = Field(
        None, ge=0, description="Keep the features of more than this variance, or F-score; 0 drops constant ones."
    )
    label: int = Field(1, gt=0, description="Which output of a sample has the classes of the F-score, from 0.")

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.number is None) == (self.above is None):
            fault = "`number` and `above` exclude each other" if self.number else "which features are kept?"
            field = "above" if self.number else None
            raise wrong(fault, field=field, help="give one of `number: 20` and `above: 0`")
        return self

    def output_shapes(self, shapes: Shapes) -> Shapes:
        """(k,). Raises ShapeError, NoSuchOutputError."""
        if self.by == "f_score" and of_output(shapes, self.label, "SelectFeatures"):
            raise MixedError("an F-score needs a label for each sample, and these are no single numbers", field="label")
        return (self.output_shape(shapes[0]), *shapes[1:])

    def output_shape(self, shape: Shape) -> Shape:
        """(k,). Raises ShapeError unless the sample is a row of at least as many features."""
        size = features(shape, "SelectFeatures")
        if len(shape) != 1:
            raise ShapeError("SelectFeatures takes rows of features (F,), as tables have them")
        if self.number is not None and self.number > size:
            raise ShapeError(f"there are no {self.number} features among {counted(size, 'feature')}", field="number")
        return (ANY if self.number is None else self.number,)

    def bound_shapes(self, setting: Setting) -> Shapes:
        """(k,), where the training data say how many are kept."""
        self.output_shapes(setting.shapes)
        return ((len(self._places(setting)),), *setting.shapes[1:])

    def bind(self, setting: Setting) -> Apply:
        """A copy of the features that are kept."""
        places = self._places(setting)

        def apply(x: Array, draw: Draw) -> Array:
            """x: (N, F)."""
            y: Array = x[:, places]
            return y

        return apply

    def _places(self, setting: Setting) -> Array:
        """The numbers of the features that are kept, (k,), rising. Raises DataError, ShapeError."""
        import numpy as np

        def compute() -> Arrays:
            if self.by == "variance":
                score = moments(setting, 0, (), "the variance")[1] ** 2
            else:
                score = f_scores(setting, self.label)
                check_finite(setting, 0, "the F-score", score)
            if self.above is not None:
                places = np.flatnonzero(score > self.above)
            else:
                places = np.sort(np.argsort(-score, kind="stable")[: self.number])
            return {"places": places.astype(np.float64)}

        places = setting.computed(setting.shape, compute)["places"].astype(np.int64)
        if not places.size:
            raise ShapeError(f"no feature has more than {self.above:g}", field="above", help="say a smaller number")
        return places


def f_scores(setting: Setting, label: int) -> Array:
    """The F-score of each feature, (F,); of a constant one 0, and of one that is constant in each class the largest."""
    import numpy as np

    sizes: dict[float, int] = {}
    sums: dict[float, Array] = {}
    for x, *others in setting.training():
        labels = others[label - 1]
        for kind in np.unique(labels).tolist():
            own = x[labels == kind]
            sizes[kind] = sizes.get(kind, 0) + len(own)
            sums[kind] = sums.get(kind, 0) + own.sum(axis=0, dtype=np.float64)
    number, classes = sum(sizes.values()), len(sizes)
    if classes < 2 or number <= classes:
        raise MixedError(f"an F-score needs at least two classes and more samples than classes; there are {classes}")
    mean = sum(sums.values()) / number
    means = {kind: sums[kind] / sizes[kind] for kind in sums}
    within = np.zeros_like(mean)
    for x, *others in setting.training():
        for kind in means:
            within += ((x[others[label - 1] == kind] - means[kind]) ** 2).sum(axis=0)
    between = sum(sizes[kind] * (means[kind] - mean) ** 2 for kind in sorted(means))
    spread = within / (number - classes)
    score = between / (classes - 1) / np.where(spread > 0, spread, 1)
    return np.where(spread > 0, score, np.where(between > 0, np.finfo(np.float32).max, 0.0))
