"""CELU: y = x where x > 0, else alpha * (e^(x / alpha) - 1).

Source: Barron 2017, "Continuously differentiable exponential linear units"; PyTorch CELU.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.core.formula import Number
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class CELU(Elementwise):
    """Bend negative values towards -alpha, with a slope of 1 at 0 for every alpha.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: celu, type: CELU, alpha: 0.5}
"""

    alpha: float = Field(1.0, gt=0, description="Where very negative values end, with the other sign.")

    @staticmethod
    def value(x: Number, alpha: Number) -> Number:
        """The top."""
        return x.where(x > 0, alpha * ((x / alpha).exp() - 1.0))

    @staticmethod
    def gradient(y: Number, dy: Number, alpha: Number) -> Number:
        """The bottom's diff: below 0 the slope is y / alpha + 1."""
        return dy.where(y > 0, dy * (y / alpha + 1.0))
