"""SiLU: y = x / (1 + e^-x).

Source: Elfwing, Uchibe & Doya 2017, "Sigmoid-weighted linear units"; PyTorch SiLU.
"""

from __future__ import annotations

from typing import ClassVar

from netspec.core.formula import Number, sigmoid
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class SiLU(Elementwise):
    """Multiply each value with its own sigmoid: Swish with `beta` 1.

    Bottom: x, any shape. Top: y, the shape of x.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: silu, type: SiLU}
"""

    @staticmethod
    def value(x: Number) -> Number:
        """The top."""
        return x / (1.0 + (-x).exp())

    @staticmethod
    def gradient(x: Number, dy: Number) -> Number:
        """The bottom's diff."""
        gate = sigmoid(x)
        return dy * gate * (1.0 + x * (1.0 - gate))
