"""Crop: a window of the image, anywhere in TRAIN and in the middle in TEST. Source: Caffe's transform_param.crop_size.

With `pad` the image gets a border of zeros first, which is how small images are shifted: He et al. 2016, section 4.2,
cut windows of 32x32 out of 32x32 images with 4 pixels around them. Below SubtractMean the zeros are the mean; above it
they are black.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from netspec.core.model import Aka, Listed, wrong
from netspec.core.shape import ANY, CHANNELS_FIRST, Shape, ShapeError, channels_last
from netspec.data.resample import Size
from netspec.data.transforms.base import Apply, Setting, image
from netspec.data.transforms.base_geometric import Dice, Geometric, Move, Outside, box

if TYPE_CHECKING:
    from netspec.data.transforms.base import Array, Draw


class Crop(Geometric):
    """Cut a window of h by w out of the image with `pad` zeros around it, which make it H by W.

    Each place is equally likely in TRAIN; in TEST the window's top is floor((H-h)/2) and its left floor((W-w)/2).
    """

    random: ClassVar[bool] = True
    exact: ClassVar[bool] = True

    size: Listed[Annotated[int, Field(gt=0)]] = Field(
        max_length=2, description="Window height and width: one number, or [h, w]."
    )
    pad: Annotated[int, Aka("padding")] = Field(
        0, ge=0, description="Zeros at each side of the image, fewer than the window is wide and high."
    )

    @field_validator("size")
    @classmethod
    def _not_empty(cls, size: tuple[int, ...]) -> tuple[int, ...]:
        if not size:
            raise wrong("an empty list is no size")
        return size

    @model_validator(mode="after")
    def _sees_the_image(self) -> Self:
        if self.pad >= min(self.size):
            text = f"with a `pad` of {self.pad}, a window of {self.size[0]}x{self.size[-1]} can miss the image"
            raise wrong(text, field="pad", help="`pad` is less than `size`")
        return self

    def output_shape(self, shape: Shape) -> Shape:
        """(C, h, w). Raises ShapeError when the window is larger than the image with its zeros."""
        c, height, width = image(shape, "Crop")
        h, w = self.size[0], self.size[-1]
        if any(new > old + 2 * self.pad for new, old in ((h, height), (w, width)) if old != ANY):
            padded = f" with {self.pad} zeros at each side" if self.pad else ""
            text = f"a window of {h}x{w} does not fit into images of {height}x{width}{padded}"
            raise ShapeError(text, field="size", help=CHANNELS_FIRST if channels_last(shape) else None)
        return (c, h, w)

    def outside(self) -> Outside | None:
        """Zeros, where there is a border."""
        return Outside() if self.pad else None

    def bind(self, setting: Setting) -> Apply:
        """Copy each sample's window from its place; padded images are copied once more, with their border."""
        import numpy as np
        from numpy.lib.stride_tricks import sliding_window_view

        h, w = self.size[0], self.size[-1]
        border = ((0, 0), (0, 0), (self.pad, self.pad), (self.pad, self.pad))
        _, height, width = setting.shape
        tops, lefts = self._places((height, width))

        def padded(x: Array) -> Array:
            """x: (N, C, H, W)."""
            return np.pad(x, border) if self.pad else x

        def middle(x: Array, draw: Draw) -> Array:
            """x: (N, C, H, W)."""
            top, left = (tops - 1) // 2, (lefts - 1) // 2
            return padded(x)[:, :, top : top + h, left : left + w]

        def anywhere(x: Array, draw: Draw) -> Array:
            """x: (N, C, H, W)."""
            top = (draw.uniform(f"{setting.stream} top") * tops).astype(np.int64)
            left = (draw.uniform(f"{setting.stream} left") * lefts).astype(np.int64)
            windows = sliding_window_view(padded(x), (h, w), axis=(2, 3))
            return windows[np.arange(len(x)), :, top, left]

        return anywhere if setting.phase == "TRAIN" else middle

    def _places(self, size: Size) -> tuple[int, int]:
        """The number of tops and of lefts that a window may have."""
        return size[0] + 2 * self.pad - self.size[0] + 1, size[1] + 2 * self.pad - self.size[-1] + 1

    def moved(self, size: Size, dice: Dice, phase: str) -> Move:
        """The window, by the numbers that `bind` draws."""
        _, h, w = self.output_shape((1, *size))
        tops, lefts = self._places(size)
        anywhere = phase == "TRAIN"
        top = int(dice("top") * tops) if anywhere else (tops - 1) // 2
        left = int(dice("left") * lefts) if anywhere else (lefts - 1) // 2
        return box((h, w), top - self.pad, left - self.pad, h, w)
