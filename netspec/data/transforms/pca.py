"""PCA: y = V (x - mean), the coordinates of a sample along the main axes of the training data.

The rows of V are the eigenvectors of the covariance (divided by the number of samples less 1), the largest eigenvalue
first, each with its largest entry positive. With `whiten` each coordinate is divided by its deviation. Source: Pearson
1901; Hotelling 1933; as in scikit-learn's PCA.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Self

from pydantic import Field, model_validator

from netspec.core.model import Aka, wrong
from netspec.core.shape import ANY, Shape, ShapeError, Shapes, counted
from netspec.data.transforms.base import Apply, Setting, Transform
from netspec.data.transforms.base_computed import check_finite, features, samples

if TYPE_CHECKING:
    from netspec.data.computed import Arrays
    from netspec.data.transforms.base import Array, Draw

_MOST = 4096
"""Most values of a sample: the covariance has the square of it."""


class PCA(Transform):
    """Turn each sample into its coordinates along main axes of the training data: a number of them, or a share."""

    components: Annotated[int | None, Aka("n_components", "k")] = Field(
        None, gt=0, description="How many coordinates, those of the largest variance first."
    )
    variance: float | None = Field(
        None, gt=0, le=1, description="As many coordinates as it takes for this share of the variance."
    )
    whiten: bool = Field(False, description="Whether each coordinate is brought to deviation 1.")

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.components is None) == (self.variance is None):
            fault = "`components` and `variance` exclude each other" if self.components else "how many coordinates?"
            field = "variance" if self.components else None
            raise wrong(fault, field=field, help="give one of `components: 20` and `variance: 0.95`")
        return self

    def output_shape(self, shape: Shape) -> Shape:
        """(k,). Raises ShapeError for more coordinates than a sample has values."""
        most = features(shape, "PCA", _MOST)
        if self.components is not None and self.components > most:
            raise ShapeError(f"there are no {self.components} axes of {counted(most, 'value')}", field="components")
        return (ANY if self.components is None else self.components,)

    def bound_shapes(self, setting: Setting) -> Shapes:
        """(k,), of a share of the variance as the training data say."""
        self.output_shape(setting.shape)
        return ((len(self._axes(setting)["axes"]),), *setting.shapes[1:])

    def bind(self, setting: Setting) -> Apply:
        """Products in the net's float type, each sample by itself."""
        import numpy as np

        found = self._axes(setting)
        mean, axes = found["mean"].astype(setting.real), found["axes"]
        if self.whiten:
            deviation = found["deviation"][:, None]
            axes = axes / np.where(deviation > 0, deviation, 1)
        axes = np.ascontiguousarray(axes, setting.real)

        def apply(x: Array, draw: Draw) -> Array:
            """x: (N, *shape). A product of matrices would add in an order that depends on N."""
            rows: Array = x.reshape(len(x), -1).astype(setting.real)
            y: Array = np.einsum("nf,kf->nk", rows - mean, axes)
            return y

        return apply

    def _axes(self, setting: Setting) -> Arrays:
        """The mean (F,), the axes (k, F) and the deviations along them (k,). Raises DataError, ShapeError."""
        size = features(setting.shape, "PCA", _MOST)
        return setting.computed((size,), lambda: self._compute(setting, size))

    def _compute(self, setting: Setting, size: int) -> Arrays:
        import numpy as np
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1, "blas"):  # sums of several threads are other sums
            total, number = np.zeros(size), 0
            for x in samples(setting, 0):
                total, number = total + x.reshape(len(x), -1).sum(axis=0, dtype=np.float64), number + len(x)
            if number < 2:
                raise ShapeError("PCA needs at least two training samples")
            mean = total / number
            covariance = np.zeros((size, size))
            for x in samples(setting, 0):
                centred = x.reshape(len(x), -1) - mean
                covariance += centred.T @ centred
            check_finite(setting, 0, "the covariance", covariance)
            values, vectors = np.linalg.eigh(covariance / (number - 1))
        values, axes = np.maximum(values[::-1], 0), vectors.T[::-1]
        axes = axes * np.sign(axes[np.arange(size), abs(axes).argmax(axis=1)])[:, None]
        k = self.components or _enough(values, self.variance or 1.0)
        return {"mean": mean, "axes": axes[:k].copy(), "deviation": np.sqrt(values[:k])}


def _enough(values: Array, share: float) -> int:
    """The number of largest eigenvalues whose sum is at least a share of all; at least one."""
    import numpy as np

    reached = np.cumsum(values) >= share * values.sum() * (1 - 1e-12)
    return int(np.argmax(reached)) + 1
