"""Upsample: an image enlarged (or shrunk) to another size.

Along each axis, the value at i is taken at s = (i + 0.5) * step - 0.5 of the old axis, or at s = i * (H - 1)/(H' - 1)
with `align_corners`; step is H/H', or 1/`scale_factor`. bilinear: (1 - t) x[k] + t x[k+1] with k = floor(s), t = s - k,
s at least 0. bicubic: the sum over the four nearest x[k] of w(|s - k|), Keys' kernel with a = -0.75, ends repeated.
nearest: x[floor(i * step)]. The gradient is the exact transpose. Source: Keys 1981; PyTorch's `interpolate`, whose
numbers these are.
"""

from __future__ import annotations

from math import floor
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from netspec.core.model import Aka, Listed, wrong
from netspec.core.shape import Shape, ShapeError, Shapes, each_axis
from netspec.layers._resize import Resized, ResizeLayer
from netspec.layers._spatial import once
from netspec.layers.base import Purpose
from netspec.lowering.resampling import Rule, cubic, linear, nearest


class Upsample(ResizeLayer):
    """Enlarge an image to a size, or by a factor.

    Bottom: x (N, C, H, W); also (N, C, W) or (N, C, D, H, W). Top: y (N, C, H', W'), of `size`, or of the lengths times
    `scale_factor`, rounded down. Interp computes `bilinear` with `align_corners` under the fields of Caffe's forks.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 4, 5]]}
- {name: double, type: Upsample, scale_factor: 2}
- {name: sized, type: Upsample, mode: bilinear, size: [7, 9], align_corners: true, bottom: data}
- {name: smooth, type: Upsample, mode: bicubic, scale_factor: [2, 1.5], bottom: data}
"""

    mode: Annotated[Literal["nearest", "bilinear", "bicubic"], Aka("interpolation", "method")] = Field(
        "nearest", description="Old pixels repeated; or means of 2, or of 4, old values along each axis."
    )
    scale_factor: Annotated[Listed[Annotated[float, Field(gt=0)]], Aka("factor", "scale", "scales")] = Field(
        (), description="Factor of the lengths: one for all axes behind the channels, or one for each."
    )
    size: Annotated[Listed[Annotated[int, Field(gt=0)]], Aka("output_size", "sizes")] = Field(
        (), description="New lengths, instead: one for all axes behind the channels, or one for each."
    )
    align_corners: bool = Field(
        False, description="The centres of the corner pixels stay where they are, not the edges of the image."
    )

    @model_validator(mode="after")
    def _check(self) -> Upsample:
        if bool(self.size) == bool(self.scale_factor):
            text = "`size` and `scale_factor` exclude each other" if self.size else "the new size is not given"
            raise wrong(text, field="size" if self.size else "name", help="give `size` or `scale_factor`")
        if self.align_corners and self.mode == "nearest":
            raise wrong("`align_corners` has no meaning for `mode: nearest`", field="align_corners")
        return self

    @property
    def taps(self) -> int:
        """1, 2 or 4."""
        return {"nearest": 1, "bilinear": 2, "bicubic": 4}[self.mode]

    def resized(self, x: Shape) -> tuple[Resized, ...]:
        """The axes behind the channels, with their new lengths."""
        if not 3 <= len(x) <= 5:
            text = "an upsampling reads N x C x H x W (or one or three axes behind N x C), not {bottom[0]}"
            raise ShapeError(text, field="bottom.0")
        old, field = x[2:], "size" if self.size else "scale_factor"
        given: tuple[float, ...] = self.size or self.scale_factor
        each = each_axis(given, len(old), field)
        new = [int(value) if self.size else floor(length * value) for length, value in zip(old, each, strict=True)]
        if 0 in new:
            raise ShapeError("`scale_factor` leaves nothing of an axis of {bottom[0]}", field=field)
        steps = [length / now if self.size else 1 / value for length, now, value in zip(old, new, each, strict=True)]
        if self.align_corners:
            steps = [(length - 1) / (now - 1) if now > 1 else 0.0 for length, now in zip(old, new, strict=True)]
        return tuple(map(Resized, old, new, steps))

    def rule(self, axis: Resized) -> Rule:
        """How an axis is made anew."""
        if self.mode == "nearest":
            return nearest(*axis)
        return (linear if self.mode == "bilinear" else cubic)(*axis, self.align_corners)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """5*2 = 10, for each axis where they differ."""
        if self.size:
            return ""
        axes = self.resized(bottoms[0])
        factors = each_axis(self.scale_factor, len(axes), "scale_factor")
        words = []
        for (size, new, _), factor in zip(axes, factors, strict=True):
            product = f"{size}*{factor:g}"
            words.append(f"{product} = {new}" if factor == int(factor) else f"floor({product}) = {new}")
        return once(words)
