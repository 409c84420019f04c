"""msra: normal values of variance 2/n, which ReLU needs. Source: He et al. 2015; Caffe filler.hpp."""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Any

from pydantic import Field

from netspec.core.shape import Shape
from netspec.fillers.base import Filler, VarianceNorm, fan

if TYPE_CHECKING:
    from numpy.random import Generator


class Msra(Filler):
    """Normal numbers of mean 0 and standard deviation sqrt(2/n)."""

    variance_norm: VarianceNorm = Field(
        "FAN_IN", description="What n is: inputs of an output, outputs of an input, or their average."
    )

    def fill(self, shape: Shape, random: Generator) -> Any:
        """Draws for every place of `shape`."""
        return random.normal(0.0, sqrt(2 / fan(shape, self.variance_norm)), shape)
