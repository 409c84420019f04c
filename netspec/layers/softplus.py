"""Softplus: y = ln(1 + e^(beta * x)) / beta.

Source: Dugas et al. 2001, "Incorporating second-order functional knowledge for better option pricing"; PyTorch
Softplus.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.formula import Number, softplus, softplus_slope
from netspec.core.model import Aka
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class Softplus(Elementwise):
    """Rectify a blob smoothly; the larger `beta`, the nearer to ReLU.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place. PyTorch switches to y = x above a threshold;
    here the formula holds everywhere, without overflow, and there is no threshold.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: softplus, type: Softplus, beta: 2}
"""

    beta: Annotated[float, Aka("sharpness")] = Field(1.0, gt=0, description="How sharply it bends at 0.")

    @staticmethod
    def value(x: Number, beta: Number) -> Number:
        """The top."""
        return softplus(beta * x) / beta

    @staticmethod
    def gradient(y: Number, dy: Number, beta: Number) -> Number:
        """The bottom's diff."""
        return dy * softplus_slope(beta * y)
