"""Sums over the last axes. x, dx: (M*length,), y, dy: (M,): value m of y is made of `length` neighbours in x.

Each sum is cut into chunks of `chunk` values, whose float64 sums are added in order: partial (M*chunks,).
"""

from __future__ import annotations

import numpy as np

from netspec.codegen.kernel import kernel, span, summing, viewing
from netspec.codegen.kinds import Doubles, Vector
from netspec.kernels.sums import dot_of, total_of


@summing
def _sum_absolute(x: Vector) -> float:
    total = np.float64(0.0)
    for i in range(x.size):
        total += abs(np.float64(x[i]))
    return total


@viewing
def chunk_of(x: Vector, i: int, length: int, chunk: int) -> Vector:
    """The values of x that the i-th chunk holds."""
    chunks = (length + chunk - 1) // chunk
    row, first = i // chunks * length, i % chunks * chunk
    return x[row + first : row + min(first + chunk, length)]


@kernel
def sum_up(x: Vector, partial: Doubles, length: int, chunk: int, part: int, parts: int) -> None:
    """partial = the sums of chunks of x."""
    for i in range(*span(partial.size, part, parts)):
        partial[i] = total_of(chunk_of(x, i, length, chunk))


@kernel
def sum_absolute(x: Vector, partial: Doubles, length: int, chunk: int, part: int, parts: int) -> None:
    """partial = the sums of |x| over chunks of x."""
    for i in range(*span(partial.size, part, parts)):
        partial[i] = _sum_absolute(chunk_of(x, i, length, chunk))


@kernel
def sum_squares(x: Vector, partial: Doubles, length: int, chunk: int, part: int, parts: int) -> None:
    """partial = the sums of x^2 over chunks of x."""
    for i in range(*span(partial.size, part, parts)):
        values = chunk_of(x, i, length, chunk)
        partial[i] = dot_of(values, values)


@kernel
def finish(partial: Doubles, y: Vector, factor: float, part: int, parts: int) -> None:
    """y = factor * the sum of each value's chunks, in order."""
    chunks = partial.size // y.size
    for i in range(*span(y.size, part, parts)):
        total = 0.0
        for j in range(i * chunks, (i + 1) * chunks):
            total += partial[j]
        y[i] = total * factor


@kernel
def spread(dx: Vector, dy: Vector, length: int, factor: float, part: int, parts: int) -> None:
    """dx = factor * dy of the value that x is in."""
    first, last = span(dx.size, part, parts)
    while first < last:
        row = first // length
        inside = dx[first : min(last, (row + 1) * length)]
        step = factor * dy[row]
        for i in range(inside.size):
            inside[i] = step
        first += inside.size


@kernel
def spread_signs(dx: Vector, x: Vector, dy: Vector, length: int, factor: float, part: int, parts: int) -> None:
    """dx = factor * dy * the sign of x, which is 0 at 0, and NaN where x is."""
    first, last = span(dx.size, part, parts)
    while first < last:
        row = first // length
        end = min(last, (row + 1) * length)
        inside, values, step = dx[first:end], x[first:end], factor * dy[row]
        for i in range(inside.size):
            inside[i] = step if values[i] > 0 else -step if values[i] < 0 else values[i] * 0
        first = end


@kernel
def spread_values(dx: Vector, x: Vector, dy: Vector, length: int, factor: float, part: int, parts: int) -> None:
    """dx = factor * dy * x."""
    first, last = span(dx.size, part, parts)
    while first < last:
        row = first // length
        end = min(last, (row + 1) * length)
        inside, values, step = dx[first:end], x[first:end], factor * dy[row]
        for i in range(inside.size):
            inside[i] = step * values[i]
        first = end
