"""Sigmoid: y = 1 / (1 + e^-x).

Source: Caffe sigmoid_layer.cpp.
"""

from __future__ import annotations

from typing import ClassVar

from netspec.core.formula import Number, sigmoid
from netspec.layers._engine import Engine
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class Sigmoid(Engine, Elementwise):
    """Squash a blob elementwise into (0, 1).

    Bottom: x, any shape (N, ...). Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: sigmoid, type: Sigmoid}
"""

    @staticmethod
    def value(x: Number) -> Number:
        """The top."""
        return sigmoid(x)

    @staticmethod
    def gradient(y: Number, dy: Number) -> Number:
        """The bottom's diff: the slope is y * (1 - y)."""
        return dy * y * (1.0 - y)
