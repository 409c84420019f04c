"""Elastic: the image on a rubber sheet that is pulled here and there, in TRAIN.

Each pixel moves by alpha times a field of numbers, uniform in [-1, 1) and smoothed by a Gaussian of deviation sigma,
one field for each axis. Source: Simard, Steinkraus & Platt 2003, "Best practices for convolutional neural networks".
The Gaussian ends at 3 sigma, its weights add up to 1, and beyond the image's border the field is mirrored.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pydantic import Field

from netspec.data.resample import Bend, Matrix, Size
from netspec.data.transforms.base_geometric import Dice, Wobble

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from netspec.data.resample import Points

    Field2 = NDArray[np.float64]


class Elastic(Wobble):
    """Move every pixel by a smooth random field."""

    alpha: float = Field(ge=0, le=10_000, description="Pixels that the field is multiplied by, before it is smoothed.")
    sigma: float = Field(gt=0, le=100, description="Deviation of the Gaussian, in pixels: how smooth the field is.")

    def wobbled(self, size: Size, dice: Dice) -> Matrix | Bend:
        """The map of the pulled image; between the centres of pixels the field is linear."""
        across, down = (
            self.alpha * smooth(2 * dice.many(axis, size[0] * size[1]).reshape(size) - 1, self.sigma)
            for axis in ("across", "down")
        )

        def bend(points: Points) -> Points:
            x, y = points
            return x + between(across, x, y), y + between(down, x, y)

        return bend


def smooth(field: Field2, sigma: float) -> Field2:
    """A field (H, W) after a Gaussian filter along both axes, mirrored beyond its border."""
    import numpy as np

    reach = math.ceil(3 * sigma)
    weights = [math.exp(-(tap**2) / (2 * sigma**2)) for tap in range(-reach, reach + 1)]
    for _ in range(2):  # the rows, and then what the columns have become
        wide = np.pad(field, ((reach, reach), (0, 0)), mode="symmetric")
        total = np.zeros_like(field)
        for tap, weight in enumerate(weights):
            total += weight / sum(weights) * wide[tap : tap + len(field)]
        field = np.ascontiguousarray(total.T)
    return field


def between(field: Field2, x: Field2, y: Field2) -> Field2:
    """The field (H, W) at points, linear between the centres of its pixels, and as at its border outside."""
    import numpy as np

    height, width = field.shape
    u, v = np.clip(x - 0.5, 0, width - 1), np.clip(y - 0.5, 0, height - 1)
    left, top = u.astype(np.int64), v.astype(np.int64)
    right, below = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    a, b = u - left, v - top
    upper = (1 - a) * field[top, left] + a * field[top, right]
    lower = (1 - a) * field[below, left] + a * field[below, right]
    value: Field2 = (1 - b) * upper + b * lower
    return value
