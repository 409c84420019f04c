"""LensDistortion: the image as a lens bends it, in TRAIN: x' = x (1 + k r^2), where r = 1 at the corners.

(x, y) is a point of the result, counted from the centre, and (x', y') where it comes from. With k > 0 straight lines
bulge outwards like a barrel, and there is `fill` at the corners; with k < 0 they are drawn inwards like a pincushion.
Source: the first term of Brown 1966, "Decentering distortion of lenses".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from netspec.core.model import Listed, rising
from netspec.data.resample import Bend, Matrix, Size
from netspec.data.transforms.base_geometric import Dice, Wobble, around

if TYPE_CHECKING:
    from netspec.data.resample import Points


class LensDistortion(Wobble):
    """Bend the image by a coefficient k, uniform between two numbers: barrels above 0, pincushions below."""

    k: Annotated[Listed[Annotated[float, Field(gt=-1 / 3, le=1)]], AfterValidator(rising)] = Field(
        min_length=1, max_length=2, description="Largest k to both sides, or [least, largest]."
    )

    def wobbled(self, size: Size, dice: Dice) -> Matrix | Bend:
        """The map of the bent image."""
        k = dice.between("k", *around(self.k))
        y0, x0 = size[0] / 2, size[1] / 2
        corner = math.hypot(x0, y0)

        def bend(points: Points) -> Points:
            x, y = (points[0] - x0) / corner, (points[1] - y0) / corner
            farther = 1 + k * (x * x + y * y)
            return x0 + corner * x * farther, y0 + corner * y * farther

        return bend
