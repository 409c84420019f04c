"""ReLU6: y = min(max(x, 0), 6).

Source: Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10"; PyTorch ReLU6.
"""

from __future__ import annotations

from typing import ClassVar

from netspec.core.formula import Number
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class ReLU6(Elementwise):
    """Rectify a blob, and bound it by 6; the gradient at and beyond the bounds is 0.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: wider, type: Power, scale: 6}
- {name: relu, type: ReLU6}
"""

    @staticmethod
    def value(x: Number) -> Number:
        """The top."""
        return x.maximum(0.0).minimum(6.0)

    @staticmethod
    def gradient(y: Number, dy: Number) -> Number:
        """The bottom's diff, between the bounds."""
        return dy.where(y > 0, 0.0).where(y < 6.0, 0.0)
