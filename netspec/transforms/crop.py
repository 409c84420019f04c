"""Crop: a window of the image, anywhere in TRAIN and in the middle in TEST. Source: Caffe's transform_param.crop_size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, field_validator

from netspec.model import Listed, wrong
from netspec.shape import Shape, ShapeError
from netspec.transforms.base import Apply, Setting, Transform, image

if TYPE_CHECKING:
    from netspec.transforms.base import Array, Draw


class Crop(Transform):
    """Cut a window of h by w: each place equally likely in TRAIN, top floor((H-h)/2) and left floor((W-w)/2) in TEST."""

    random: ClassVar[bool] = True

    size: Listed[Annotated[int, Field(gt=0)]] = Field(max_length=2, description="Window height and width: one number, or [h, w].")

    @field_validator("size")
    @classmethod
    def _not_empty(cls, size: tuple[int, ...]) -> tuple[int, ...]:
        if not size:
            raise wrong("an empty list is no size")
        return size

    def output_shape(self, shape: Shape) -> Shape:
        """(C, h, w). Raises ShapeError when the window is larger than the image."""
        c, height, width = image(shape, "Crop")
        h, w = self.size[0], self.size[-1]
        if h > height or w > width:
            raise ShapeError(f"a window of {h}x{w} does not fit into images of {height}x{width}", field="size")
        return (c, h, w)

    def bind(self, setting: Setting) -> Apply:
        """One copy, from the place of each sample's window."""
        import numpy as np
        from numpy.lib.stride_tricks import sliding_window_view

        _, height, width = setting.shape
        h, w = self.size[0], self.size[-1]
        tops, lefts = height - h + 1, width - w + 1

        def middle(x: Array, draw: Draw) -> Array:
            """x: (N, C, H, W)."""
            top, left = (height - h) // 2, (width - w) // 2
            return x[:, :, top : top + h, left : left + w]

        def anywhere(x: Array, draw: Draw) -> Array:
            """x: (N, C, H, W)."""
            top = (draw.uniform(f"{setting.stream} top") * tops).astype(np.int64)
            left = (draw.uniform(f"{setting.stream} left") * lefts).astype(np.int64)
            windows = sliding_window_view(x, (h, w), axis=(2, 3))
            return windows[np.arange(len(x)), :, top, left]

        return anywhere if setting.phase == "TRAIN" else middle
