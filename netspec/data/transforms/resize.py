"""Resize: the image in another size, each pixel the mean of all that it covers.

With one number the short side gets it, and the long side keeps the proportion, rounded down, as torchvision does; with
[h, w] both are given. Shrinking is smoothed by a triangle as wide as two new pixels, which is what Pillow calls
BILINEAR.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.model import Listed
from netspec.core.shape import ANY
from netspec.data.resample import Size
from netspec.data.transforms.base_geometric import Dice, Geometric, Move, box


class Resize(Geometric):
    """Give the image's short side a size, or both sides."""

    size: Listed[Annotated[int, Field(gt=0, le=16384)]] = Field(
        min_length=1, max_length=2, description="The short side's pixels, or [h, w]."
    )

    def size_of(self, size: Size) -> Size:
        """The new height and width."""
        if len(self.size) == 2:
            return self.size[0], self.size[1]
        if ANY in size:
            return ANY, ANY
        short, (height, width) = self.size[0], size
        return (short, max(1, short * width // height)) if height <= width else (max(1, short * height // width), short)

    def moved(self, size: Size, dice: Dice, phase: str) -> Move:
        """The whole image."""
        return box(self.size_of(size), 0, 0, *size)
