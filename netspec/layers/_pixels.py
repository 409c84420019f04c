"""What PixelShuffle and PixelUnshuffle share: how channels and pixels of an image answer to each other."""

from __future__ import annotations

from netspec.core.shape import Shape
from netspec.lowering.moving import Route, Step, steps


def opened(deep: Shape, factor: int) -> Shape:
    """The shape (N, C, H*r, W*r) of the wide image whose pixels are channels of a deep one (N, C*r*r, H, W)."""
    n, c, h, w = deep
    return n, c // factor**2, h * factor, w * factor


def route(deep: Shape, factor: int, layout: str) -> Route:
    """The way from the deep image to the wide one: y[n, c, h*r + i, w*r + j] = x[n, c*r*r + i*r + j, h, w]."""
    wide, r = opened(deep, factor), factor
    (xn, xc, xh, xw), (yn, yc, yh, yw) = steps(deep, layout), steps(wide, layout)
    inside = Step(r, r * xc, yh), Step(r, xc, yw)
    outside = Step(wide[0], xn, yn), Step(wide[1], r * r * xc, yc), Step(deep[2], xh, r * yh), Step(deep[3], xw, r * yw)
    return Route((*outside, *inside))
