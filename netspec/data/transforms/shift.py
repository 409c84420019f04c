"""Shift: the image moved by whole pixels, up or down and left or right, in TRAIN.

A move by whole pixels copies them, so nothing is smoothed.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.model import Aka, Listed
from netspec.data.resample import Bend, Matrix, Size
from netspec.data.transforms.base_geometric import Dice, Wobble


class Shift(Wobble):
    """Move an image of H by W by up to `most` of H and of W, all whole numbers of pixels equally likely."""

    most: Annotated[Listed[Annotated[float, Field(ge=0, lt=1)]], Aka("translate", "shift", "amount")] = Field(
        min_length=1, max_length=2, description="Largest move as a share of the side: one number, or [up, across]."
    )

    def wobbled(self, size: Size, dice: Dice) -> Matrix | Bend:
        """The map of the moved image."""
        down, across = (int(share * side) for share, side in zip((self.most[0], self.most[-1]), size, strict=True))
        x = int(dice("across") * (2 * across + 1)) - across
        y = int(dice("down") * (2 * down + 1)) - down
        return (1.0, 0.0, -float(x), 0.0, 1.0, -float(y), 0.0, 0.0, 1.0)
