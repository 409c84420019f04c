"""FillMissing: a value that is missing (NaN) becomes the mean or median of its feature over the training data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from netspec.core.errors import DataError
from netspec.core.model import Aka
from netspec.core.shape import Shape
from netspec.data.transforms.base import Apply, Setting, Transform
from netspec.data.transforms.base_computed import features

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw


class NothingKnownError(DataError):
    """A feature has no value in any training sample, so that nothing can be filled in."""

    code = "NS635"


class FillMissing(Transform):
    """Put the mean or median of all values that are there where one is missing."""

    by: Annotated[Literal["mean", "median"], Aka("strategy", "method")] = Field(
        "mean", description="What is filled in: the mean or the median of the training data."
    )

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the sample. Raises ShapeError for samples that differ in size."""
        features(shape, "FillMissing")
        return shape

    def bind(self, setting: Setting) -> Apply:
        """A copy in which every NaN is replaced. Raises NothingKnownError."""
        import numpy as np

        value = setting.computed(setting.shape, lambda: {"value": self._over_training(setting)})["value"]

        def apply(x: Array, draw: Draw) -> Array:
            """x: (N, *shape)."""
            return np.where(np.isnan(x), value, x)

        return apply

    def _over_training(self, setting: Setting) -> Array:
        """The mean or median of each feature, in the shape of a sample."""
        import numpy as np

        total, there = np.zeros(setting.shape), np.zeros(setting.shape, np.int64)
        seen: list[Array] = []
        for x, *_ in setting.training():
            assert not isinstance(x, list)
            total += np.nansum(x, 0, dtype=np.float64)
            there += np.count_nonzero(~np.isnan(x), 0)
            if self.by == "median":
                seen.append(x)
        if not there.all():
            first = int(np.flatnonzero(there.reshape(-1) == 0)[0])
            raise NothingKnownError(f"feature {first} has no value in any training sample", help="leave its column out")
        return total / there if self.by == "mean" else np.nanmedian(np.concatenate(seen), 0)
