"""Perspective: the image as a picture on a wall that is not looked at straight, in TRAIN.

Each corner of the image moves inwards by up to `most` of half a side, uniform along both axes, and the image is drawn
into the four-sided figure between them; around it there is `fill`. Source: torchvision's RandomPerspective.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.model import Aka
from netspec.data.resample import Bend, Matrix, Size
from netspec.data.transforms.base_geometric import Dice, Wobble, product

_CORNERS = ((0, 0), (1, 0), (1, 1), (0, 1))
"""Of the unit square, (x, y), going round."""


class Perspective(Wobble):
    """Draw the image into a random four-sided figure inside its frame."""

    most: Annotated[float, Aka("distortion_scale", "distortion", "scale")] = Field(
        0.5, ge=0, lt=1, description="How far a corner moves at most, as a share of half a side."
    )

    def wobbled(self, size: Size, dice: Dice) -> Matrix | Bend:
        """The inverse of the map from the image to the figure."""
        height, width = size
        corners = []
        for number, (x, y) in enumerate(_CORNERS):
            dx, dy = (self.most * dice(f"corner {number} {axis}") / 2 for axis in "xy")
            corners.append((width * (x + (1 - 2 * x) * dx), height * (y + (1 - 2 * y) * dy)))
        to_unit: Matrix = (1 / width, 0.0, 0.0, 0.0, 1 / height, 0.0, 0.0, 0.0, 1.0)
        return inverse(product(unit_to(corners), to_unit))


def unit_to(corners: list[tuple[float, float]]) -> Matrix:
    """The projective map that takes the corners of the unit square to four points.

    Source: Heckbert 1989, "Fundamentals of texture mapping and image warping", section 2.2.3.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    dx1, dx2, dx3 = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, dy3 = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    area = dx1 * dy2 - dx2 * dy1
    g, h = (dx3 * dy2 - dx2 * dy3) / area, (dx1 * dy3 - dx3 * dy1) / area
    return (x1 - x0 + g * x1, x3 - x0 + h * x3, x0, y1 - y0 + g * y1, y3 - y0 + h * y3, y0, g, h, 1.0)


def inverse(m: Matrix) -> Matrix:
    """The inverse of a projective map; its last number is 1."""
    a, b, c, d, e, f, g, h, i = m
    last = a * e - b * d
    rest = (e * i - f * h, c * h - b * i, b * f - c * e, f * g - d * i, a * i - c * g, c * d - a * f)
    p, q, r, s, t, u = (value / last for value in rest)
    return (p, q, r, s, t, u, (d * h - e * g) / last, (b * g - a * h) / last, 1.0)
