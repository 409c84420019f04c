"""Mish: y = x * tanh(ln(1 + e^x)).

Source: Misra 2019, "Mish: a self regularized non-monotonic activation function"; PyTorch Mish.
"""

from __future__ import annotations

from typing import ClassVar

from netspec.core.formula import Number
from netspec.layers.base import Purpose
from netspec.layers.base_elementwise import Elementwise


class Mish(Elementwise):
    """Weigh each value with the hyperbolic tangent of its softplus.

    Bottom: x, any shape. Top: y, the shape of x.
    """

    purpose: ClassVar[Purpose] = "activation"
    example: ClassVar[str] = """
- {name: data, type: Input, shape: [[2, 3, 5, 4]]}
- {name: mish, type: Mish}
"""

    @staticmethod
    def value(x: Number) -> Number:
        """The top."""
        gain, loss, _ = _tanh_of_softplus(x)
        return x * (gain / (gain + loss))

    @staticmethod
    def gradient(x: Number, dy: Number) -> Number:
        """The bottom's diff: the slope is t + x (1 - t^2) / (1 + e^-x), t the tanh."""
        gain, loss, u = _tanh_of_softplus(x)
        whole = gain + loss
        t = gain / whole
        share = 1.0 / (1.0 + u)
        gate = share.where(x > 0, u * share)
        return dy * (t + x * gate * (1.0 + t) * (loss / whole))


def _tanh_of_softplus(x: Number) -> tuple[Number, Number, Number]:
    """(gain, loss, u): the tanh is gain / (gain + loss), 1 - tanh is loss / (gain + loss), and u = e^-|x|.

    With e = e^x the tanh is e (e + 2) / (e (e + 2) + 2); for positive x, all is divided by e^2.
    """
    u = (-x.abs()).exp()
    gain = (1.0 + 2.0 * u).where(x > 0, u * (u + 2.0))
    return gain, (2.0 * u * u).where(x > 0, 2.0), u
