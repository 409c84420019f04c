"""positive_unitball: positive values that add up to 1 for each output. Source: Caffe filler.hpp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netspec.core.shape import Shape, ShapeError
from netspec.fillers.base import Filler

if TYPE_CHECKING:
    from numpy.random import Generator


class PositiveUnitball(Filler):
    """Uniform numbers in (0, 1], each slice along the first axis divided by its sum."""

    def check(self, shape: Shape) -> None:
        """Refuse a scalar, which has no slices."""
        if not shape:
            raise ShapeError("positive_unitball needs a first axis, but the param is a scalar")

    def fill(self, shape: Shape, random: Generator) -> Any:
        """Draws for every place of `shape`; every slice sums to 1."""
        values = (1 - random.random(shape)).reshape(shape[0], -1)
        return (values / values.sum(axis=1, keepdims=True)).reshape(shape)
