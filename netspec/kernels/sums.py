"""Sums over arrays in float64, of as many values side by side as the CPU has lanes."""

from __future__ import annotations

import numpy as np

from netspec.codegen.kernel import summing
from netspec.codegen.kinds import Vector


@summing
def total_of(x: Vector) -> float:
    """The sum of x."""
    total = 0.0
    for i in range(x.size):
        total += np.float64(x[i])
    return total


@summing
def dot_of(a: Vector, b: Vector) -> float:
    """The sum of a * b."""
    total = 0.0
    for i in range(a.size):
        total += np.float64(a[i]) * np.float64(b[i])
    return total


@summing
def apart(a: Vector, b: Vector, shift: float) -> float:
    """The sum of (a - b + shift)^2."""
    total = 0.0
    for i in range(a.size):
        far = np.float64(a[i]) - np.float64(b[i]) + shift
        total += far * far
    return total
