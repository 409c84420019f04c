"""ReLU: y = x where x > 0, else negative_slope * x.

Source: Nair & Hinton 2010; negative_slope follows Maas et al. 2013 (Leaky ReLU); Caffe relu_layer.cpp.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.formula import Formula, Number
from netspec.core.model import Aka
from netspec.layers._engine import Engine
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class ReLU(Engine, Elementwise):
    """Rectify a blob elementwise.

    Bottom: x, any shape (N, ...). Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: relu, type: ReLU, negative_slope: 0.1}
"""

    negative_slope: Annotated[float, Aka("alpha", "activation_slope", "slope")] = Field(
        0.0, description="Slope for x <= 0; 0 is plain ReLU."
    )

    @property
    def formulas(self) -> tuple[Formula, Formula]:
        """The gradient reads the top, which has the sign of the bottom unless the slope is negative."""
        return self.value, self.gradient if self.negative_slope >= 0 else self.gradient_of_x

    @staticmethod
    def value(x: Number, negative_slope: Number) -> Number:
        """The top."""
        return x.where(x > 0, negative_slope * x)

    @staticmethod
    def gradient(y: Number, dy: Number, negative_slope: Number) -> Number:
        """The bottom's diff; the slope rules at 0."""
        return dy.where(y > 0, negative_slope * dy)

    @staticmethod
    def gradient_of_x(x: Number, dy: Number, negative_slope: Number) -> Number:
        """The bottom's diff, where only the bottom tells its sign."""
        return dy.where(x > 0, negative_slope * dy)
