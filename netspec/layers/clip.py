"""Clip: y = min(max(x, `min`), `max`). Source: Caffe clip_layer.cpp."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from netspec.core.formula import Number
from netspec.core.model import Aka, wrong
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class Clip(Elementwise):
    """Bound every value from below and above; a value at a bound passes its gradient, one beyond it does not.

    Bottom: x, any shape. Top: y, the shape of x.
    """

    purpose: ClassVar[Purpose] = "arithmetic"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: clip, type: Clip, min: -1, max: 2}
"""

    min: Annotated[float, Aka("min_val", "low", "a_min", "min_value")] = Field(description="Least value.")
    max: Annotated[float, Aka("max_val", "high", "a_max", "max_value")] = Field(description="Greatest value.")

    @model_validator(mode="after")
    def _check(self) -> Clip:
        if self.min > self.max:
            raise wrong(f"`min` {self.min:g} lies above `max` {self.max:g}", field="min")
        return self

    @staticmethod
    def value(x: Number, min: Number, max: Number) -> Number:
        """The top."""
        return x.maximum(min).minimum(max)

    @staticmethod
    def gradient(x: Number, dy: Number, min: Number, max: Number) -> Number:
        """The bottom's diff, from the bounds inwards."""
        return dy.where(x >= min, 0.0).where(x <= max, 0.0)
