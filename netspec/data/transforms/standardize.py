"""Standardize: y = (x - mean) / deviation, of each sample by itself.

The deviation divides by the number of values; a constant sample becomes 0. TensorFlow's per_image_standardization
divides by at least 1 / sqrt(values).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from netspec.core.shape import Shape, ShapeError
from netspec.data.transforms.base import Apply, Setting, Transform

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw


class Standardize(Transform):
    """Bring each sample to mean 0 and deviation 1: as a whole, or each of its channels."""

    by: Literal["sample", "channel"] = Field(
        "sample", description="Whether a sample, or each channel of a sample (the first axis), has its own mean."
    )

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the sample. Raises ShapeError for samples of a single number, which would all be 0."""
        least = 1 if self.by == "sample" else 2
        if len(shape) < least:
            what = "channel" if self.by == "channel" else "sample"
            raise ShapeError(f"a {what} here is a single number, which is its own mean", help="say Normalize")
        return shape

    def bind(self, setting: Setting) -> Apply:
        """Means and deviations in float64, the result in the net's float type."""
        import numpy as np

        def apply(x: Array, draw: Draw) -> Array:
            """x: (N, *shape) of any number type."""
            axes = tuple(range(1 if self.by == "sample" else 2, x.ndim))
            values = x.astype(np.float64)
            values -= values.mean(axis=axes, keepdims=True)
            deviation = np.sqrt((values**2).mean(axis=axes, keepdims=True))
            return (values / np.where(deviation > 0, deviation, 1)).astype(setting.real)

        return apply
