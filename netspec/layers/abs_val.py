"""AbsVal: y = |x|. Source: Caffe absval_layer.cpp."""

from __future__ import annotations

from typing import ClassVar

from netspec.core.formula import Number
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class AbsVal(Elementwise):
    """Take the sign from every value; the gradient at 0 is 0.

    Bottom: x, any shape. Top: y, the shape of x. Never computed in place, as the gradient needs the signs: a top that
    bears the bottom's name, which Caffe refuses, gets memory of its own.
    """

    purpose: ClassVar[Purpose] = "arithmetic"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: size, type: AbsVal}
"""

    @staticmethod
    def value(x: Number) -> Number:
        """The top."""
        return x.abs()

    @staticmethod
    def gradient(x: Number, dy: Number) -> Number:
        """The bottom's diff: dy with the sign of x."""
        return dy.where(x > 0, (-dy).where(x < 0, 0.0))
