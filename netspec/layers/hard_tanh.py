"""HardTanh: y = min(max(x, min_val), max_val).

Source: Collobert 2004, "Large scale machine learning"; PyTorch Hardtanh.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from netspec.core.formula import Number
from netspec.core.model import Aka, wrong
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class HardTanh(Elementwise):
    """Bound every value from below and above; a value at a bound passes no gradient, unlike one of Clip.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: bounded, type: HardTanh, min_val: -0.5, max_val: 1.5}
"""

    min_val: Annotated[float, Aka("min", "min_value")] = Field(-1.0, description="Least value.")
    max_val: Annotated[float, Aka("max", "max_value")] = Field(1.0, description="Greatest value.")

    @model_validator(mode="after")
    def _check(self) -> HardTanh:
        if self.min_val >= self.max_val:
            raise wrong(f"`min_val` {self.min_val:g} does not lie below `max_val` {self.max_val:g}", field="min_val")
        return self

    @staticmethod
    def value(x: Number, min_val: Number, max_val: Number) -> Number:
        """The top."""
        return x.maximum(min_val).minimum(max_val)

    @staticmethod
    def gradient(y: Number, dy: Number, min_val: Number, max_val: Number) -> Number:
        """The bottom's diff, between the bounds."""
        return dy.where(y > min_val, 0.0).where(y < max_val, 0.0)
