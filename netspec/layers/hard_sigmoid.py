"""HardSigmoid: y = min(max(x + 3, 0), 6) / 6.

Source: Courbariaux, Bengio & David 2015, "BinaryConnect", in the scale of PyTorch Hardsigmoid.
"""

from __future__ import annotations

from typing import ClassVar

from netspec.core.formula import Number
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class HardSigmoid(Elementwise):
    """Squash a blob into [0, 1] by a straight line with bounds; the gradient at and beyond the bounds is 0.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: wider, type: Power, scale: 3}
- {name: gate, type: HardSigmoid}
"""

    @staticmethod
    def value(x: Number) -> Number:
        """The top."""
        return (x + 3.0).maximum(0.0).minimum(6.0) / 6.0

    @staticmethod
    def gradient(y: Number, dy: Number) -> Number:
        """The bottom's diff: the slope is 1/6 between the bounds."""
        return (dy / 6.0).where(y > 0, 0.0).where(y < 1.0, 0.0)
