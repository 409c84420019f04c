"""Softsign: y = x / (1 + |x|).

Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks"; PyTorch
Softsign.
"""

from __future__ import annotations

from typing import ClassVar

from netspec.core.formula import Number
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class Softsign(Elementwise):
    """Squash a blob into (-1, 1), more slowly than TanH.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: softsign, type: Softsign}
"""

    @staticmethod
    def value(x: Number) -> Number:
        """The top."""
        return x / (1.0 + x.abs())

    @staticmethod
    def gradient(y: Number, dy: Number) -> Number:
        """The bottom's diff: the slope is (1 - |y|)^2."""
        rest = 1.0 - y.abs()
        return dy * (rest * rest)
