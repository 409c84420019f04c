"""Log: y = the logarithm to a base of shift + scale * x. Source: Caffe log_layer.cpp."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field, model_validator

from netspec.core.formula import Number
from netspec.core.model import wrong
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class Log(Elementwise):
    """Take the logarithm of a scaled and shifted blob: -inf of 0, NaN of what is negative.

    Bottom: x, any shape. Top: y, the shape of x.
    """

    purpose: ClassVar[Purpose] = "arithmetic"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: positive, type: Exp}
- {name: log, type: Log, base: 2, scale: 3, shift: 1}
"""

    base: float = Field(-1.0, description="Base of the logarithm; -1 stands for Euler's number e.")
    scale: float = Field(1.0, description="Factor on x.")
    shift: float = Field(0.0, description="Value that is added to scale * x.")

    @model_validator(mode="after")
    def _check(self) -> Log:
        if (self.base <= 0 and self.base != -1) or self.base == 1:
            raise wrong(f"`base` is {self.base:g}; it must be above 0 and not 1, or -1 for e", field="base")
        if self.scale == 0 and self.shift <= 0:
            raise wrong(f"with `scale` 0 every value is the logarithm of {self.shift:g}, no number", field="scale")
        return self

    @property
    def unit(self) -> float:
        """The logarithm to the base of e."""
        return 1.0 if self.base == -1 else 1.0 / math.log(self.base)

    @staticmethod
    def value(x: Number, unit: Number, scale: Number, shift: Number) -> Number:
        """The top, as a multiple of a natural logarithm."""
        return unit * (scale * x + shift).log()

    @staticmethod
    def gradient(x: Number, dy: Number, unit: Number, scale: Number, shift: Number) -> Number:
        """The bottom's diff."""
        return dy * (unit * scale) / (scale * x + shift)
