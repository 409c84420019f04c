"""Zoom: the image larger or smaller about its centre, in TRAIN, in a frame of its old size. Scale multiplies values."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.model import Aka
from netspec.data.resample import Bend, Matrix, Size
from netspec.data.transforms.base_geometric import Dice, Span, Wobble, about_centre


class Zoom(Wobble):
    """Make everything in the image larger by a factor, uniform between two numbers."""

    factor: Annotated[Span, Aka("scale", "zoom_range")] = Field(
        description="Least and largest factor: [0.8, 1.25]; above 1, things get larger."
    )

    def wobbled(self, size: Size, dice: Dice) -> Matrix | Bend:
        """The map of the larger image."""
        factor = dice.between("factor", *self.factor)
        return about_centre(size, 1 / factor, 0.0, 0.0, 1 / factor)
