"""CutMix: a rectangle of each image comes from the one before it in the batch, and as much of its label.

The rectangle has the image's ratio of sides and the area 1 - m, m ~ Beta(a, a), with its centre anywhere in the image;
what lies outside is cut off, and labels are mixed by the area that is left. Source: Yun et al. 2019, "CutMix".
Here each sample draws its own rectangle; others draw one for a batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from netspec.core.shape import Shape
from netspec.data.transforms.base import image
from netspec.data.transforms.base_soft import Mix, beta

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw, Setting


class CutMix(Mix):
    """Put a rectangle of another image of the batch into each, in TRAIN only; labels become soft.

    The net's Input takes labels (N, C), and its loss soft labels, like SoftmaxWithLoss.
    """

    alpha: float = Field(1.0, gt=0, le=1000, description="1: all areas are equally likely; small: nearly none or all.")

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the sample. Raises ShapeError when it is not an image."""
        return image(shape, "CutMix")

    def mixed(self, x: Array, other: Array, stays: Array, draw: Draw, setting: Setting) -> tuple[Array, Array]:
        """Copies of images with their rectangles; the type of their numbers stays."""
        import numpy as np

        height, width = x.shape[2:]
        side = np.sqrt(1 - beta(draw, f"{setting.stream} share", self.alpha))
        edges = []
        for name, size in (("row", height), ("column", width)):
            centre = np.floor(draw.uniform(f"{setting.stream} {name}") * size)
            half = np.floor(size * side) / 2
            low = np.clip(np.floor(centre - half), 0, size).astype(int)
            edges += [low, np.clip(np.floor(centre + half), 0, size).astype(int)]
        top, bottom, left, right = edges
        y, share = x.copy(), np.ones(len(x))
        for i in np.flatnonzero(~stays):
            rows, columns = slice(top[i], bottom[i]), slice(left[i], right[i])
            y[i, :, rows, columns] = other[i, :, rows, columns]
            share[i] = 1 - (bottom[i] - top[i]) * (right[i] - left[i]) / (height * width)
        return y, share
