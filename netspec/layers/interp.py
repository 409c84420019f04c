"""Interp: an image resized by bilinear interpolation between aligned corners.

y[i] = (1 - t) x[k] + t x[k+1] along each axis, at s = i * (H - 1)/(H' - 1), k = floor(s), t = s - k. The new length is
`height`; or (H-1)/shrink + 1, rounded down; or H + (H-1)*(zoom-1); or both in turn. Source: the Interp layer of
DeepLab's and PSPNet's Caffe (Chen et al. 2015; Zhao et al. 2017).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from netspec.core.model import wrong
from netspec.core.shape import Shape, ShapeError, Shapes
from netspec.layers._resize import Resized, ResizeLayer
from netspec.layers._spatial import once
from netspec.layers.base import Purpose
from netspec.lowering.resampling import Rule, linear


class Interp(ResizeLayer):
    """Resize an image to a height and width, or by whole factors, as forks of Caffe do.

    Bottom: x (N, C, H, W). Top: y (N, C, H', W'). Upsample has more modes.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 7]]}
- {name: sized, type: Interp, height: 8, width: 6}
- {name: zoomed, type: Interp, zoom_factor: 2, pad_beg: -1, bottom: data}
"""

    height: int | None = Field(None, gt=0, description="New height; goes together with `width`.")
    width: int | None = Field(None, gt=0, description="New width.")
    zoom_factor: int | None = Field(
        None, gt=0, description="Steps from pixel to pixel become so many; a shrinking comes first."
    )
    shrink_factor: int | None = Field(None, gt=0, description="One of so many pixels is kept.")
    pad_beg: int = Field(0, le=0, description="Pixels cut off above and left, as a negative number.")
    pad_end: int = Field(0, le=0, description="Pixels cut off below and right, as a negative number.")

    @model_validator(mode="after")
    def _check(self) -> Interp:
        if (self.height is None) != (self.width is None):
            raise wrong("`height` and `width` go together", field="height" if self.width is None else "width")
        factors = [name for name in ("zoom_factor", "shrink_factor") if getattr(self, name) is not None]
        if self.height is not None and factors:
            raise wrong(f"`height` and `{factors[0]}` exclude each other", field=factors[0])
        if self.height is None and not factors:
            raise wrong("the new size is not given", help="give `height` and `width`, or a factor")
        return self

    @property
    def taps(self) -> int:
        """Two."""
        return 2

    def resized(self, x: Shape) -> tuple[Resized, ...]:
        """Height and width."""
        if len(x) != 4:
            raise ShapeError("an interpolation reads N x C x H x W, not {bottom[0]}", field="bottom.0")
        return tuple(self._axis(size, new) for size, new in zip(x[2:], (self.height, self.width), strict=True))

    def _axis(self, size: int, new: int | None) -> Resized:
        left = size + self.pad_beg + self.pad_end
        if left < 1:
            field = "pad_beg" if self.pad_beg else "pad_end"
            raise ShapeError(f"nothing is left of the {size} values of an axis of {{bottom[0]}}", field=field)
        if new is None:
            new = (left - 1) // (self.shrink_factor or 1) + 1
            new += (new - 1) * ((self.zoom_factor or 1) - 1)
        return Resized(size, new, (left - 1) / (new - 1) if new > 1 else 0.0)

    def rule(self, axis: Resized) -> Rule:
        """Between the pixels that are not cut off."""
        cut = linear(axis.size + self.pad_beg + self.pad_end, axis.new, axis.step, True)
        return tuple(tuple((place - self.pad_beg, weight) for place, weight in taps) for taps in cut)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """(5-1)*2+1 = 9, for both axes where they differ."""
        if self.height is not None:
            return ""
        words = []
        for size, new, _ in self.resized(bottoms[0]):
            cut = size + self.pad_beg + self.pad_end
            steps = f"({cut}-1)" if self.shrink_factor is None else f"floor(({cut}-1)/{self.shrink_factor})"
            words.append(f"{steps}{f'*{self.zoom_factor}' if self.zoom_factor else ''}+1 = {new}")
        return once(words)
