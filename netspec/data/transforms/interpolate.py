"""Interpolate: the image in another size, each pixel between the four old ones around its centre.

The new pixel q lies at u = (q + 1/2) H/H' - 1/2 of the old ones: y = (1 - t) x[k] + t x[k+1] along both axes, k =
floor(u), t = u - k; beyond the first and the last pixel these go on. Old pixels in between are not looked at, where
Resize smooths. Of bytes, weights are whole numbers of 1/2048, and sums are cut off and rounded where OpenCV does so.
Source: OpenCV resize.cpp, INTER_LINEAR, with which Caffe resizes images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from netspec.core.model import Listed
from netspec.core.shape import Shape
from netspec.data.transforms.base import Apply, Setting, Transform, image

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw

ONE = 2048
"""The weight 1 of bytes."""


class Interpolate(Transform):
    """Give the image a size without smoothing it, as Caffe does."""

    size: Listed[Annotated[int, Field(gt=0, le=16384)]] = Field(min_length=2, max_length=2, description="[h, w].")

    def output_shape(self, shape: Shape) -> Shape:
        """(C, h, w). Raises ShapeError when the sample is not an image."""
        return (image(shape, "Interpolate")[0], *self.size)

    def bind(self, setting: Setting) -> Apply:
        """Rows and columns between old ones."""

        def between(x: Array, draw: Draw) -> Array:
            """x: (N, C, H, W)."""
            if x.shape[2:] == self.size:
                return x
            rows, columns = _places(x.shape[2], self.size[0]), _places(x.shape[3], self.size[1])
            return _bytes(x, rows, columns) if x.dtype == "uint8" else _reals(x, rows, columns)

        return between


def _places(old: int, new: int) -> tuple[Array, Array, Array]:
    """For each of the new pixels the old ones on both sides, and the share of the second: (new,) each."""
    import numpy as np

    u = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(u).astype(np.int64)
    return first.clip(0, old - 1), (first + 1).clip(0, old - 1), u - first


def _reals(x: Array, rows: tuple[Array, ...], columns: tuple[Array, ...]) -> Array:
    """Images of real numbers, (N, C, H, W)."""
    (above, below, v), (left, right, h) = rows, columns
    across = x[..., left] * (1 - h) + x[..., right] * h
    y: Array = across[..., above, :] * (1 - v)[:, None] + across[..., below, :] * v[:, None]
    return y.astype(x.dtype, copy=False)


def _bytes(x: Array, rows: tuple[Array, ...], columns: tuple[Array, ...]) -> Array:
    """Images of bytes, (N, C, H, W), in whole numbers."""
    import numpy as np

    (above, below, v), (left, right, h) = rows, columns
    h = np.where(left == right, 0, h)  # OpenCV takes an end column once, but an end row twice: it rounds otherwise
    own, other = (np.rint((1 - h) * ONE).astype(np.int32), np.rint(h * ONE).astype(np.int32))
    across = (x[..., left] * own + x[..., right] * other) >> 4
    own, other = (np.rint((1 - v) * ONE).astype(np.int32), np.rint(v * ONE).astype(np.int32))
    up, down = across[..., above, :] * own[:, None], across[..., below, :] * other[:, None]
    y: Array = (((up >> 16) + (down >> 16) + 2) >> 2).clip(0, 255)
    return y.astype(np.uint8)
