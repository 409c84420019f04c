"""CenterCrop: a window in the middle of the image, in TRAIN too."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.model import Listed
from netspec.core.shape import ANY, ShapeError
from netspec.data.resample import Size
from netspec.data.transforms.base_geometric import Dice, Geometric, Move, box


class CenterCrop(Geometric):
    """Cut a window of h by w out of the middle: its top is floor((H-h)/2), its left floor((W-w)/2)."""

    size: Listed[Annotated[int, Field(gt=0, le=16384)]] = Field(
        min_length=1, max_length=2, description="Window height and width: one number, or [h, w]."
    )

    def size_of(self, size: Size) -> Size:
        """The window. Raises ShapeError where it is larger than the image."""
        h, w = self.size[0], self.size[-1]
        if any(new > old for new, old in zip((h, w), size, strict=True) if old != ANY):
            raise ShapeError(
                f"a window of {h}x{w} does not fit into images of {size[0]}x{size[1]}",
                field="size",
                help="write Resize above it, or ask for less",
            )
        return h, w

    def moved(self, size: Size, dice: Dice, phase: str) -> Move:
        """The window."""
        h, w = self.size_of(size)
        return box((h, w), (size[0] - h) // 2, (size[1] - w) // 2, h, w)
