"""TanH: y = tanh x.

Source: Caffe tanh_layer.cpp.
"""

from __future__ import annotations

from typing import ClassVar

from netspec.core.formula import Number
from netspec.layers._engine import Engine
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class TanH(Engine, Elementwise):
    """Squash a blob elementwise into (-1, 1).

    Bottom: x, any shape (N, ...). Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: tanh, type: TanH}
"""

    @staticmethod
    def value(x: Number) -> Number:
        """The top."""
        return x.tanh()

    @staticmethod
    def gradient(y: Number, dy: Number) -> Number:
        """The bottom's diff: the slope is 1 - y^2."""
        return dy * (1.0 - y * y)
