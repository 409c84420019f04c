"""PixelUnshuffle: pixels become channels, y[n, c*r*r + i*r + j, h, w] = x[n, c, h*r + i, w*r + j].

Source: the inverse of PixelShuffle (Shi et al. 2016); space-to-depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Phase
from netspec.core.model import Aka
from netspec.core.receptive import ReceptiveField, union
from netspec.core.shape import Shape, ShapeError, Shapes
from netspec.layers._moving import MovingLayer
from netspec.layers._pixels import route
from netspec.layers.base import Purpose
from netspec.lowering.moving import Route

if TYPE_CHECKING:
    from netspec.core.calls import Arrays, Move


class PixelUnshuffle(MovingLayer):
    """Shrink an image by making r * r channels of r x r pixels.

    Bottom: x (N, C, H*r, W*r) for r = `downscale_factor`. Top: y (N, C*r*r, H, W). PixelShuffle is its inverse.
    """

    purpose: ClassVar[Purpose] = "shape"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 6, 8]]}
- {name: deep, type: PixelUnshuffle, downscale_factor: 2}
"""

    downscale_factor: Annotated[int, Aka("block_size", "scale", "scale_factor", "r")] = Field(
        gt=0, description="Pixels along a side that become one pixel, r."
    )

    def _deep(self, x: Shape) -> Shape:
        """The shape of the deep image of a wide one."""
        r = self.downscale_factor
        return x[0], x[1] * r * r, x[2] // r, x[3] // r

    @property
    def alone(self) -> bool:
        """Always: every item is computed by itself."""
        return True

    def top_shapes(self, bottoms: Shapes) -> Shapes:
        """(N, C*r*r, H, W)."""
        x, r = bottoms[0], self.downscale_factor
        if len(x) != 4:
            raise ShapeError("a pixel unshuffle reads N x C x H x W, not {bottom[0]}", field="bottom.0")
        for size, side in zip(x[2:], ("rows", "columns"), strict=True):
            if size % r:
                text = f"the {size} {side} of {{bottom[0]}} are not a multiple of {r}"
                raise ShapeError(text, field="downscale_factor")
        return (self._deep(x),)

    def shape_arithmetic(self, bottoms: Shapes) -> str:
        """3*2^2 = 12, 10/2 = 5, 8/2 = 4."""
        _, c, h, w = bottoms[0]
        r = self.downscale_factor
        return f"{c}*{r}^2 = {c * r**2}, {h}/{r} = {h // r}, {w}/{r} = {w // r}"

    def receptive_field(self, bottoms: Shapes, fields: Sequence[ReceptiveField]) -> ReceptiveField:
        """The bottom's field, widened by the r x r pixels."""
        r = self.downscale_factor
        return union(bottoms, fields).through([(r, r, 0, 1)] * 2)

    def moves(self, phase: Phase) -> Move:
        """Make channels of pixels."""
        return self._deepened

    def _deepened(self, bottoms: Arrays) -> Arrays:
        (x,), r = bottoms, self.downscale_factor
        n, c, h, w = x.shape
        apart = x.reshape(n, c, h // r, r, w // r, r)
        return (apart.transpose(0, 1, 3, 5, 2, 4).reshape(self._deep(x.shape)),)

    def route(self, bottoms: Shapes, layout: str) -> Route:
        """From the pixels to the channels."""
        return route(self._deep(bottoms[0]), self.downscale_factor, layout).back()
