"""Powers without OverflowError: a result that is too large is infinity."""

from __future__ import annotations

from math import inf


def power(base: float, exponent: float) -> float:
    """base ** exponent for base >= 0; infinity where it is too large."""
    try:
        return float(base**exponent)
    except (OverflowError, ZeroDivisionError):
        return inf
