"""Swish: y = x / (1 + e^(-beta * x)).

Source: Ramachandran, Zoph & Le 2017, "Searching for activation functions"; Caffe swish_layer.cpp.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.core.formula import Number, sigmoid
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class Swish(Elementwise):
    """Multiply each value with its own sigmoid, whose steepness is `beta`.

    Bottom: x, any shape. Top: y, the shape of x.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: swish, type: Swish, beta: 1.5}
"""

    beta: float = Field(1.0, description="Steepness of the sigmoid; 0 gives x / 2.")

    @staticmethod
    def value(x: Number, beta: Number) -> Number:
        """The top."""
        return x / (1.0 + (-(beta * x)).exp())

    @staticmethod
    def gradient(x: Number, dy: Number, beta: Number) -> Number:
        """The bottom's diff."""
        gate = sigmoid(beta * x)
        return dy * gate * (1.0 + beta * x * (1.0 - gate))
