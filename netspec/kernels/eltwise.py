"""Sums, products and maxima of several blobs, two at a time. Every array is flat, (M,).

Loops run on slices of their part: they are vectorised then.
"""

from __future__ import annotations

from netspec.kernels.jit import Ints, Vector, kernel, span


@kernel
def weighted_sum(a: Vector, b: Vector, y: Vector, of_a: float, of_b: float, part: int, parts: int) -> None:
    """y = of_a * a + of_b * b."""
    first, last = span(y.size, part, parts)
    a, b, y = a[first:last], b[first:last], y[first:last]
    for i in range(y.size):
        y[i] = of_a * a[i] + of_b * b[i]


@kernel
def add_weighted(x: Vector, y: Vector, of_x: float, part: int, parts: int) -> None:
    """y += of_x * x."""
    first, last = span(y.size, part, parts)
    x, y = x[first:last], y[first:last]
    for i in range(y.size):
        y[i] += of_x * x[i]


@kernel
def scale(x: Vector, y: Vector, factor: float, part: int, parts: int) -> None:
    """y = factor * x."""
    first, last = span(y.size, part, parts)
    x, y = x[first:last], y[first:last]
    for i in range(y.size):
        y[i] = factor * x[i]


@kernel
def product(a: Vector, b: Vector, y: Vector, part: int, parts: int) -> None:
    """y = a * b."""
    first, last = span(y.size, part, parts)
    a, b, y = a[first:last], b[first:last], y[first:last]
    for i in range(y.size):
        y[i] = a[i] * b[i]


@kernel
def multiply(x: Vector, y: Vector, part: int, parts: int) -> None:
    """y *= x."""
    first, last = span(y.size, part, parts)
    x, y = x[first:last], y[first:last]
    for i in range(y.size):
        y[i] *= x[i]


@kernel
def quotient(y: Vector, x: Vector, dy: Vector, dx: Vector, part: int, parts: int) -> None:
    """dx = y / x * dy: the unstable gradient of a product y, undefined where x is 0."""
    first, last = span(dx.size, part, parts)
    y, x, dy, dx = y[first:last], x[first:last], dy[first:last], dx[first:last]
    for i in range(dx.size):
        dx[i] = y[i] / x[i] * dy[i]


@kernel
def larger(a: Vector, b: Vector, y: Vector, mask: Ints, part: int, parts: int) -> None:
    """y = max(a, b), mask = 0 where it is a's, 1 where it is b's; b wins a tie."""
    first, last = span(y.size, part, parts)
    a, b, y, mask = a[first:last], b[first:last], y[first:last], mask[first:last]
    for i in range(y.size):
        first = a[i] > b[i]
        y[i] = a[i] if first else b[i]
        mask[i] = 0 if first else 1


@kernel
def raise_to(x: Vector, y: Vector, mask: Ints, index: int, part: int, parts: int) -> None:
    """y = max(y, x), mask = index where x is strictly larger."""
    first, last = span(y.size, part, parts)
    x, y, mask = x[first:last], y[first:last], mask[first:last]
    for i in range(y.size):
        more = x[i] > y[i]
        y[i] = x[i] if more else y[i]
        mask[i] = index if more else mask[i]


@kernel
def larger_only(a: Vector, b: Vector, y: Vector, part: int, parts: int) -> None:
    """y = max(a, b); nothing is kept for backward."""
    first, last = span(y.size, part, parts)
    a, b, y = a[first:last], b[first:last], y[first:last]
    for i in range(y.size):
        y[i] = a[i] if a[i] > b[i] else b[i]


@kernel
def select(mask: Ints, dy: Vector, dx: Vector, index: int, part: int, parts: int) -> None:
    """dx = dy where mask is index, else 0."""
    zero = dy.dtype.type(0)
    first, last = span(dx.size, part, parts)
    mask, dy, dx = mask[first:last], dy[first:last], dx[first:last]
    for i in range(dx.size):
        dx[i] = dy[i] if mask[i] == index else zero
