"""Erase: a random rectangle of the image is filled with a value, in TRAIN.

Its share of the image is uniform, its ratio of height to width log-uniform, its place uniform among those inside the
image. A rectangle that is higher or wider than the image is cut to it. Source: Zhong et al. 2020, "Random erasing data
augmentation"; DeVries & Taylor 2017 (Cutout).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field

from netspec.core.model import Aka, Listed, rising
from netspec.core.shape import Shape, ShapeError, counted
from netspec.data.transforms.base import image
from netspec.data.transforms.base_geometric import ByteFillError
from netspec.data.transforms.base_pixels import PixelTransform, between

if TYPE_CHECKING:
    import numpy as np

    from netspec.data.transforms.base import Array, Draw

Share = Annotated[float, Field(gt=0, le=1)]


class Erase(PixelTransform):
    """Fill a random rectangle of the image with a value, in TRAIN only."""

    probability: Annotated[float, Aka("p", "prob")] = Field(
        0.5, ge=0, le=1, description="The share of the images that lose a rectangle."
    )
    scale: Annotated[Listed[Share], AfterValidator(rising), Aka("area")] = Field(
        (0.02, 0.33), min_length=1, max_length=2, description="Share of the image: a number, or [least, largest]."
    )
    ratio: Annotated[Listed[Annotated[float, Field(gt=0)]], AfterValidator(rising)] = Field(
        (0.3, 3.3), min_length=1, max_length=2, description="Height by width: a number, or [least, largest]."
    )
    value: Listed[float] = Field((0.0,), min_length=1, description="What fills it: one value, or one of each channel.")

    def output_shape(self, shape: Shape) -> Shape:
        """The shape of the sample. Raises ShapeError when the number of values is neither 1 nor C."""
        c, h, w = image(shape, "Erase")
        if len(self.value) not in {1, c}:
            values = counted(len(self.value), "value")
            raise ShapeError(f"{values} do not fit images of {counted(c, 'channel')}", field="value")
        return c, h, w

    def changed(self, x: Array, draw: Draw, stream: str) -> Array:
        """A copy of each image with its rectangle filled."""
        import numpy as np

        height, width = x.shape[2:]
        area = between(draw, f"{stream} scale", self.scale) * height * width
        low, high = math.log(self.ratio[0]), math.log(self.ratio[-1])
        ratio = np.exp(between(draw, f"{stream} ratio", (low, high)))
        h = np.clip(np.rint(np.sqrt(area * ratio)), 1, height)
        w = np.clip(np.rint(np.sqrt(area / ratio)), 1, width)
        top = np.floor(draw.uniform(f"{stream} top") * (height - h + 1)).astype(int)
        left = np.floor(draw.uniform(f"{stream} left") * (width - w + 1)).astype(int)
        y, value = x.copy(), self._filling(x.dtype).reshape(-1, 1, 1)
        for i, (a, b, rows, columns) in enumerate(zip(top, left, h.astype(int), w.astype(int), strict=True)):
            y[i, :, a : a + rows, b : b + columns] = value
        return y

    def _filling(self, kind: np.dtype[Any]) -> Array:
        """The values in the type of the images, rounded where that holds whole numbers. Raises ByteFillError."""
        import numpy as np

        values = np.array(self.value, np.float64)
        if kind.kind not in "iu":
            return values.astype(kind)
        values, most = np.rint(values), np.iinfo(kind)
        wrong = values[(values < most.min) | (values > most.max)]
        if wrong.size:
            raise ByteFillError(
                f"`value` is {wrong[0]:g}, but images are whole numbers here, from {most.min} to {most.max}",
                at=self.place("value"),
                help="write this transform below one that makes real numbers, such as Scale",
            )
        return values.astype(kind)
