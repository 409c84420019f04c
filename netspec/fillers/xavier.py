"""xavier: uniform values of variance 1/n. Source: Glorot & Bengio 2010, n = fan_in as in Caffe filler.hpp."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from pydantic import Field

from netspec.core.shape import Shape
from netspec.fillers.base import Filler, VarianceNorm, fan

if TYPE_CHECKING:
    from numpy.random import Generator


class Xavier(Filler):
    """Uniform numbers in [-a, a), a = sqrt(3/n)."""

    variance_norm: VarianceNorm = Field(
        "FAN_IN", description="What n is: inputs of an output, outputs of an input, or their average."
    )

    def fill(self, shape: Shape, random: Generator) -> Any:
        """Draws for every place of `shape`."""
        bound = sqrt(3 / fan(shape, self.variance_norm))
        return random.uniform(-bound, bound, shape)
