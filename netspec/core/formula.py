"""Formulas: functions of numbers that are written once, and run on vectors, on words and on plain values.

The names of a formula's parameters say what it reads: `x` is a value of the layer's bottom, `y` of its top, `dy` of the
top's diff; of a loss, `t` is the truth of the score `x`. Any other name is a number of the layer itself, such as a
field. A formula computes with operators and the methods below. It chooses with `a.where(condition, b)` and never with
`if`, because each lane of a vector chooses alone.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol


class Number(Protocol):
    """Operand of a formula: a vector (codegen.rows.Value), or a value with its words (core.worked.Term)."""

    def __neg__(self) -> Number: ...
    def __add__(self, other: Number | float) -> Number: ...
    def __radd__(self, other: float) -> Number: ...
    def __sub__(self, other: Number | float) -> Number: ...
    def __rsub__(self, other: float) -> Number: ...
    def __mul__(self, other: Number | float) -> Number: ...
    def __rmul__(self, other: float) -> Number: ...
    def __truediv__(self, other: Number | float) -> Number: ...
    def __rtruediv__(self, other: float) -> Number: ...
    def __gt__(self, other: Number | float) -> Any: ...
    def __lt__(self, other: Number | float) -> Any: ...
    def __ge__(self, other: Number | float) -> Any: ...
    def __le__(self, other: Number | float) -> Any: ...

    def where(self, mask: Any, other: Number | float) -> Number:
        """This number where the mask holds, else `other`."""
        ...

    def exp(self) -> Number:
        """e to the power of this number."""
        ...

    def log(self) -> Number:
        """The natural logarithm: -inf of 0, NaN of negative numbers."""
        ...

    def log1p(self) -> Number:
        """The natural logarithm of 1 + this number, exact for small numbers too."""
        ...

    def tanh(self) -> Number:
        """The hyperbolic tangent."""
        ...

    def erf(self) -> Number:
        """The error function: 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to this number."""
        ...

    def sqrt(self) -> Number:
        """The square root."""
        ...

    def abs(self) -> Number:
        """The number without its sign."""
        ...

    def maximum(self, other: Number | float) -> Number:
        """The larger of the two; NaN where this number is NaN."""
        ...

    def minimum(self, other: Number | float) -> Number:
        """The smaller of the two; NaN where this number is NaN."""
        ...

    def power(self, exponent: Number) -> Number:
        """This number to the power of `exponent`."""
        ...


Formula = Callable[..., Number | float]

BLOBS = ("x", "y", "dy", "t")
"""Parameters of a formula that are values of blobs: the bottom, the top, the top's diff, a loss's second bottom."""


@cache
def names(formula: Formula) -> tuple[str, ...]:
    """The parameters of a formula, in order."""
    return tuple(inspect.signature(formula).parameters)


def sigmoid(x: Number) -> Number:
    """1 / (1 + e^-x)."""
    return 1.0 / (1.0 + (-x).exp())


def softplus(x: Number) -> Number:
    """The logarithm of 1 + e^x, exact for large and for very negative x too."""
    return x.maximum(0.0) + (-x.abs()).exp().log1p()


def softplus_slope(y: Number) -> Number:
    """The slope of softplus where its value is y: 1 - e^-y, without the cancellation near y = 0."""
    half = (0.5 * y).tanh()
    return 2.0 * half / (1.0 + half)
