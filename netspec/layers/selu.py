"""SELU: y = l * x where x > 0, else l * a * (e^x - 1), with a = 1.6733 and l = 1.0507.

With these numbers, layers of normalised weights keep mean 0 and variance 1. Source: Klambauer et al. 2017,
"Self-normalizing neural networks"; PyTorch SELU.
"""

from __future__ import annotations

from typing import ClassVar

from netspec.core.formula import Number
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise

_SCALE = 1.0507009873554804934193349852946
_END = 1.6732632423543772848170429916717 * _SCALE


class SELU(Elementwise):
    """Bend negative values as ELU does, in the scale that keeps a deep net's mean and variance.

    Bottom: x, any shape. Top: y, the shape of x; may be computed in place.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: selu, type: SELU}
"""

    @staticmethod
    def value(x: Number) -> Number:
        """The top."""
        return (_SCALE * x).where(x > 0, _END * (x.exp() - 1.0))

    @staticmethod
    def gradient(y: Number, dy: Number) -> Number:
        """The bottom's diff: below 0 the slope is y + l * a."""
        return (_SCALE * dy).where(y > 0, dy * (y + _END))
