"""bilinear: the weights of bilinear upsampling, for Deconvolution.

Source: Long, Shelhamer & Darrell 2015; Caffe filler.hpp.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from netspec.core.shape import Shape, ShapeError, text
from netspec.fillers.base import Filler

if TYPE_CHECKING:
    from numpy.random import Generator


class Bilinear(Filler):
    """In every filter w[i,j] = (1 - |i/f - c|) (1 - |j/f - c|), f = ceil(F/2), c = (F-1)/(2f), F the filter's size."""

    random: ClassVar[bool] = False

    def check(self, shape: Shape) -> None:
        """A param of four axes, the last two equally long."""
        if len(shape) != 4 or shape[2] != shape[3]:
            raise ShapeError(f"bilinear needs K x C x F x F, not {text(shape)}")

    def fill(self, shape: Shape, random: Generator) -> Any:
        """One filter, repeated in every place of `shape` (K, C, F, F)."""
        import numpy as np

        factor = -(-shape[3] // 2)
        profile = 1 - np.abs(np.arange(shape[3]) / factor - (shape[3] - 1) / (2 * factor))
        return np.broadcast_to(np.outer(profile, profile), shape).copy()
