"""GELU: y = x * P(x), P the share of a standard normal distribution that lies below x.

P(x) = (1 + erf(x / sqrt(2))) / 2, or nearly (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))) / 2. Source: Hendrycks &
Gimpel 2016, "Gaussian error linear units"; PyTorch GELU.
"""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field

from netspec.core.formula import Formula, Number
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise

_HALF_ROOT, _BELL = math.sqrt(0.5), 1 / math.sqrt(2 * math.pi)
_RATE, _CUBE = math.sqrt(2 / math.pi), 0.044715
_FAR = 20.0
"""Distance from 0 where tanh is 1 or -1 in every number type; farther out, x^3 could overflow."""


class GELU(Elementwise):
    """Weigh each value with the probability that a normal number is smaller.

    Bottom: x, any shape. Top: y, the shape of x.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: exact, type: GELU}
- {name: near, type: GELU, approximate: tanh}
"""

    approximate: Literal["none", "tanh"] = Field(
        "none", description="none: the exact probability; tanh: an approximation of it by tanh, as in GPT-2."
    )

    @property
    def formulas(self) -> tuple[Formula, Formula]:
        """By erf, or by tanh."""
        return (self.value, self.gradient) if self.approximate == "none" else (self.near, self.near_gradient)

    @staticmethod
    def value(x: Number) -> Number:
        """The top."""
        return 0.5 * x * (1.0 + (_HALF_ROOT * x).erf())

    @staticmethod
    def gradient(x: Number, dy: Number) -> Number:
        """The bottom's diff: the slope is P(x) + x e^(-x^2 / 2) / sqrt(2 pi)."""
        z = _HALF_ROOT * x
        return dy * (0.5 * (1.0 + z.erf()) + _BELL * x * (-(z * z)).exp())

    @staticmethod
    def near(x: Number) -> Number:
        """The top, by tanh."""
        return 0.5 * x * (1.0 + _inner(x.maximum(-_FAR).minimum(_FAR)).tanh())

    @staticmethod
    def near_gradient(x: Number, dy: Number) -> Number:
        """The bottom's diff of the approximation."""
        z = x.maximum(-_FAR).minimum(_FAR)
        t = _inner(z).tanh()
        return dy * (0.5 * (1.0 + t) + 0.5 * z * (1.0 - t * t) * (_RATE * (1.0 + 3.0 * _CUBE * (z * z))))


def _inner(x: Number) -> Number:
    return _RATE * (x + _CUBE * (x * x * x))
