"""Formulas: functions of numbers that are written once, and run on vectors, on words and on plain values.

The parameters of a formula say by their names what it reads: `x` is a value of the layer's bottom, `y` of its top, `dy` of the
top's diff, and any other name is one of the layer's own numbers, such as a field. A formula computes with operators and the
methods below, and chooses with `a.where(condition, b)`, never with `if`: in a vector every lane takes its own choice.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol


class Number(Protocol):
    """What a formula computes with: a vector (codegen.rows.Value), or a value with its words (core.worked.Term)."""

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
        """Itself where the condition holds, else the other."""
        ...

    def exp(self) -> Number:
        """e to this power."""
        ...

    def log(self) -> Number:
        """The natural logarithm: -inf of 0, NaN of negative numbers."""
        ...

    def tanh(self) -> Number:
        """The hyperbolic tangent."""
        ...

    def sqrt(self) -> Number:
        """The square root."""
        ...

    def power(self, exponent: Number) -> Number:
        """This to the power of another."""
        ...


Formula = Callable[..., Number | float]

BLOBS = ("x", "y", "dy")
"""Parameters of a formula that are values of blobs: the bottom, the top, the top's diff."""


@cache
def names(formula: Formula) -> tuple[str, ...]:
    """The parameters of a formula, in order."""
    return tuple(inspect.signature(formula).parameters)
