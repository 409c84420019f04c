"""PixelShuffle: channels become pixels, y[n, c, h*r + i, w*r + j] = x[n, c*r*r + i*r + j, h, w].

Source: Shi et al. 2016, "Real-time single image and video super-resolution" (sub-pixel convolution).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Phase
from netspec.core.model import Aka
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import ShapeError, Shapes
from netspec.layers._moving import MovingLayer
from netspec.layers._pixels import opened, route
from netspec.layers.base import Purpose
from netspec.lowering.moving import Route

if TYPE_CHECKING:
    from netspec.core.calls import Arrays, Move


class PixelShuffle(MovingLayer):
    """Widen an image by making r x r pixels of r * r channels.

    Bottom: x (N, C*r*r, H, W) for r = `upscale_factor`. Top: y (N, C, H*r, W*r). PixelUnshuffle is its inverse.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 12, 3, 4]]}
- {name: wide, type: PixelShuffle, upscale_factor: 2}
"""

    upscale_factor: Annotated[int, Aka("block_size", "scale", "scale_factor", "r")] = Field(
        gt=0, description="Pixels along a side that each pixel becomes, r."
    )

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N, C, H*r, W*r)."""
        x, area = bottoms[0], self.upscale_factor**2
        if len(x) != 4:
            raise ShapeError("a pixel shuffle reads N x C x H x W, not {bottom[0]}", field="bottom.0")
        if x[1] % area:
            text = f"the {x[1]} channels of {{bottom[0]}} are not a multiple of {self.upscale_factor}^2 = {area}"
            raise ShapeError(text, field="upscale_factor")
        return (opened(x, self.upscale_factor),)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """12/2^2 = 3, 5*2 = 10, 4*2 = 8."""
        _, c, h, w = bottoms[0]
        r = self.upscale_factor
        return f"{c}/{r}^2 = {c // r**2}, {h}*{r} = {h * r}, {w}*{r} = {w * r}"

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The bottom's field, of which neighbours are r times as near."""
        return union(bottoms, fields).magnified(1 / self.upscale_factor, 1 / self.upscale_factor)

    def moves(self, phase: Phase) -> Move:
        """Make pixels of channels."""
        return self._widened

    def _widened(self, bottoms: Arrays) -> Arrays:
        (x,), r = bottoms, self.upscale_factor
        n, c, h, w = opened(x.shape, r)
        apart = x.reshape(n, c, r, r, h // r, w // r)
        return (apart.transpose(0, 1, 4, 2, 5, 3).reshape(n, c, h, w),)

    def route(self, bottoms: Shapes, layout: str) -> Route:
        """From the channels to the pixels."""
        return route(bottoms[0], self.upscale_factor, layout)
