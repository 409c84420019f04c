"""Blur: a Gaussian of random width over the image, in TRAIN.

y = sum_k w_k x_{i+k}, w_k ~ exp(-k^2 / (2 sigma^2)) for |k| <= ceil(3 sigma), along rows and along columns. Beyond the
border the image is mirrored at its outermost pixels. Source: Chen et al. 2020 (SimCLR), appendix A; torchvision.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from netspec.core.model import Aka, Listed, rising
from netspec.data.transforms.base_pixels import PixelTransform, as_stored, between

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw


class Blur(PixelTransform):
    """Blur an image by a Gaussian whose deviation is uniform between two numbers, in TRAIN only."""

    sigma: Annotated[Listed[Annotated[float, Field(gt=0, le=100)]], AfterValidator(rising), Aka("radius")] = Field(
        min_length=1, max_length=2, description="Deviation of the Gaussian in pixels: a number, or [least, largest]."
    )

    def changed(self, x: Array, draw: Draw, stream: str) -> Array:
        """Rows, then columns."""
        import numpy as np

        sigma = between(draw, f"{stream} sigma", self.sigma)
        reach = math.ceil(3 * self.sigma[-1])
        places = np.arange(-reach, reach + 1)
        weights = np.exp(-0.5 * (places / sigma[:, None]) ** 2) * (abs(places) <= np.ceil(3 * sigma)[:, None])
        weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
        y = x.astype(np.float32)
        for axis in (3, 2):
            border = [(0, 0)] * 4
            border[axis] = (reach, reach)
            wide, size, total = np.pad(y, border, mode="reflect"), y.shape[axis], np.zeros_like(y)
            for k in range(2 * reach + 1):
                part = [slice(None)] * 4
                part[axis] = slice(k, k + size)
                total += weights[:, k, None, None, None] * wide[tuple(part)]
            y = total
        return as_stored(y, x, np.iinfo(x.dtype).max) if x.dtype.kind in "iu" else y.astype(x.dtype)
