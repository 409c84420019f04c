"""Stretch: the image wider and lower, or narrower and higher, about its centre, in TRAIN."""

from __future__ import annotations

import math

from pydantic import Field

from netspec.data.resample import Bend, Matrix, Size
from netspec.data.transforms.base_geometric import Dice, Wobble, about_centre


class Stretch(Wobble):
    """Change the proportion of things by a ratio r, log-uniform in [1/most, most]; areas stay as they are.

    Widths are multiplied by sqrt(r), heights by 1/sqrt(r).
    """

    most: float = Field(ge=1, le=100, description="Largest ratio: 1.25 makes a square up to 5 wide and 4 high.")

    def wobbled(self, size: Size, dice: Dice) -> Matrix | Bend:
        """The map of the stretched image."""
        root = math.exp(dice.between("ratio", -1, 1) * math.log(self.most) / 2)
        return about_centre(size, 1 / root, 0.0, 0.0, root)
