"""Rotate: the image turned about its centre, in TRAIN, in a frame of its old size."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from netspec.core.model import Aka, Listed, rising
from netspec.data.resample import Bend, Matrix, Size
from netspec.data.transforms.base_geometric import Dice, Wobble, around, turned


class Rotate(Wobble):
    """Turn the image by an angle, uniform between two numbers; positive ones turn counter-clockwise."""

    degrees: Annotated[
        Listed[Annotated[float, Field(ge=-360, le=360)]], AfterValidator(rising), Aka("angle", "rotation", "limit")
    ] = Field(min_length=1, max_length=2, description="Largest angle to both sides, or [least, largest].")

    def wobbled(self, size: Size, dice: Dice) -> Matrix | Bend:
        """The map of the turned image."""
        return turned(size, dice.between("angle", *around(self.degrees)))
