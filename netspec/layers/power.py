"""Power: y = (shift + scale * x) ^ power. Source: Caffe power_layer.cpp.

Where power * scale is 0, y is constant and its gradient 0. Everywhere else the gradient is
power * scale * (shift + scale * x) ^ (power - 1); Caffe divides y by the base, which is NaN where the base is 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from netspec.core.calls import Phase
from netspec.core.formula import Formula, Number
from netspec.core.model import Aka, wrong
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise

if TYPE_CHECKING:
    from netspec.core.calls import Move


class Power(Elementwise):
    """Scale, shift and raise a blob to a power, element by element.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "arithmetic"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: square, type: Power, power: 2, scale: 0.5, shift: 1}
"""

    power: Annotated[float, Aka("exponent")] = Field(1.0, description="The exponent.")
    scale: float = Field(1.0, description="Factor on x.")
    shift: float = Field(0.0, description="What is added to scale * x.")

    @model_validator(mode="after")
    def _check(self) -> Power:
        if self.scale == 0 and (
            (self.shift < 0 and not self.power.is_integer()) or (self.shift == 0 and self.power < 0)
        ):
            raise wrong(
                f"with `scale` 0 every value is {self.shift:g} ^ {self.power:g}, which is no number", field="scale"
            )
        return self

    @property
    def formulas(self) -> tuple[Formula, Formula]:
        """By the power: a constant, a line, a square, or the general case; the first two run in place."""
        if self.power * self.scale == 0:
            return self.constant, self.nothing
        if self.power == 1:
            return self.line, self.line_gradient
        return (self.square, self.square_gradient) if self.power == 2 else (self.value, self.gradient)

    def moves(self, phase: Phase) -> Move | None:
        """The bottom itself, where y = x."""
        return self._reshaped if self.power == self.scale == 1 and self.shift == 0 else None

    @property
    def level(self) -> float:
        """The top's only value where it does not depend on the bottom."""
        return 1.0 if self.power == 0 else float(self.shift**self.power)

    @staticmethod
    def value(x: Number, power: Number, scale: Number, shift: Number) -> Number:
        """The top."""
        return (scale * x + shift).power(power)

    @staticmethod
    def gradient(x: Number, dy: Number, power: Number, scale: Number, shift: Number) -> Number:
        """The bottom's diff."""
        return power * scale * (scale * x + shift).power(power - 1.0) * dy

    @staticmethod
    def square(x: Number, scale: Number, shift: Number) -> Number:
        """The top for the power 2."""
        base = scale * x + shift
        return base * base

    @staticmethod
    def square_gradient(x: Number, dy: Number, scale: Number, shift: Number) -> Number:
        """The bottom's diff for the power 2."""
        return (scale + scale) * (scale * x + shift) * dy

    @staticmethod
    def line(x: Number, scale: Number, shift: Number) -> Number:
        """The top for the power 1."""
        return scale * x + shift

    @staticmethod
    def line_gradient(dy: Number, scale: Number) -> Number:
        """The bottom's diff for the power 1."""
        return scale * dy

    @staticmethod
    def constant(level: Number) -> Number:
        """The top where power * scale is 0."""
        return level

    @staticmethod
    def nothing() -> float:
        """The bottom's diff where power * scale is 0."""
        return 0.0
