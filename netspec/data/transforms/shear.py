"""Shear: the image made slanting about its centre, in TRAIN."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from netspec.core.model import Listed
from netspec.data.resample import Bend, Matrix, Size
from netspec.data.transforms.base_geometric import Dice, Wobble, about_centre


class Shear(Wobble):
    """Slant upright lines by an angle a, uniform in [-degrees, degrees], and level lines by b where two are given.

    A point of the result at (x, y) from the centre comes from (x + tan(a) y, tan(b) x + y).
    """

    degrees: Listed[Annotated[float, Field(ge=0, lt=80)]] = Field(
        min_length=1,
        max_length=2,
        description="Largest angle of upright lines, or [of upright lines, of level lines]; one number leaves level "
        "lines level.",
    )

    def wobbled(self, size: Size, dice: Dice) -> Matrix | Bend:
        """The map of the slanting image."""
        level = self.degrees[1] if len(self.degrees) == 2 else 0.0
        a = math.radians(dice.between("upright", -self.degrees[0], self.degrees[0]))
        b = math.radians(dice.between("level", -level, level))
        return about_centre(size, 1.0, math.tan(a), math.tan(b), 1.0)
