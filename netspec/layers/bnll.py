"""BNLL: y = ln(1 + e^x), the binomial normal log likelihood.

Source: Caffe bnll_layer.cpp.
"""

from __future__ import annotations

from typing import ClassVar

from netspec.core.formula import Number, softplus, softplus_slope
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class BNLL(Elementwise):
    """Rectify a blob smoothly: x where x is large, near 0 where it is very negative.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: bnll, type: BNLL}
"""

    @staticmethod
    def value(x: Number) -> Number:
        """The top."""
        return softplus(x)

    @staticmethod
    def gradient(y: Number, dy: Number) -> Number:
        """The bottom's diff."""
        return dy * softplus_slope(y)
