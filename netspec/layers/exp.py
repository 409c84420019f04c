"""Exp: y = base ^ (shift + scale * x). Source: Caffe exp_layer.cpp."""

from __future__ import annotations

import math
from typing import ClassVar

from pydantic import Field, model_validator

from netspec.core.formula import Number
from netspec.core.model import wrong
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class Exp(Elementwise):
    """Raise a number to the power of a scaled and shifted blob.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "arithmetic"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: exp, type: Exp, base: 2, scale: 0.5, shift: 1}
"""

    base: float = Field(-1.0, description="The number that is raised; -1 stands for Euler's number e.")
    scale: float = Field(1.0, description="Factor on x.")
    shift: float = Field(0.0, description="Value that is added to scale * x.")

    @model_validator(mode="after")
    def _check(self) -> Exp:
        if self.base <= 0 and self.base != -1:
            raise wrong(f"`base` is {self.base:g}; it must be above 0, or -1 for e", field="base")
        return self

    @property
    def rate(self) -> float:
        """The slope of the exponent of e."""
        return self.scale * _logarithm(self.base)

    @property
    def start(self) -> float:
        """The exponent of e where x is 0."""
        return self.shift * _logarithm(self.base)

    @staticmethod
    def value(x: Number, rate: Number, start: Number) -> Number:
        """The top, as a power of e."""
        return (rate * x + start).exp()

    @staticmethod
    def gradient(y: Number, dy: Number, rate: Number) -> Number:
        """The bottom's diff."""
        return dy * y * rate


def _logarithm(base: float) -> float:
    return 1.0 if base == -1 else math.log(base)
