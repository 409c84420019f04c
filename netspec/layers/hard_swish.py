"""HardSwish: y = x * min(max(x + 3, 0), 6) / 6.

Source: Howard et al. 2019, "Searching for MobileNetV3"; PyTorch Hardswish.
"""

from __future__ import annotations

from typing import ClassVar

from netspec.core.formula import Number
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class HardSwish(Elementwise):
    """Multiply each value with its own hard sigmoid.

    Bottom: x, any shape. Top: y, the shape of x. The gradient is 0 at x = -3 and 1 at x = 3, as beyond them.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: wider, type: Power, scale: 3}
- {name: swish, type: HardSwish}
"""

    @staticmethod
    def value(x: Number) -> Number:
        """The top."""
        return x * (x + 3.0).maximum(0.0).minimum(6.0) / 6.0

    @staticmethod
    def gradient(x: Number, dy: Number) -> Number:
        """The bottom's diff: the slope is 0, x / 3 + 1/2, or 1."""
        return dy.where(x >= 3.0, (dy * (x / 3.0 + 0.5)).where(x > -3.0, 0.0))
