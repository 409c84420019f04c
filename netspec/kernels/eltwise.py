"""Sums, products and maxima of several blobs, two at a time. Every array is flat, (M,)."""

from __future__ import annotations

from netspec.kernels.jit import Ints, Vector, kernel, span


@kernel
def weighted_sum(a: Vector, b: Vector, y: Vector, of_a: float, of_b: float, part: int, parts: int) -> None:
    """y = of_a * a + of_b * b."""
    for i in range(*span(y.size, part, parts)):
        y[i] = of_a * a[i] + of_b * b[i]


@kernel
def add_weighted(x: Vector, y: Vector, of_x: float, part: int, parts: int) -> None:
    """y += of_x * x."""
    for i in range(*span(y.size, part, parts)):
        y[i] += of_x * x[i]


@kernel
def scale(x: Vector, y: Vector, factor: float, part: int, parts: int) -> None:
    """y = factor * x."""
    for i in range(*span(y.size, part, parts)):
        y[i] = factor * x[i]


@kernel
def product(a: Vector, b: Vector, y: Vector, part: int, parts: int) -> None:
    """y = a * b."""
    for i in range(*span(y.size, part, parts)):
        y[i] = a[i] * b[i]


@kernel
def multiply(x: Vector, y: Vector, part: int, parts: int) -> None:
    """y *= x."""
    for i in range(*span(y.size, part, parts)):
        y[i] *= x[i]


@kernel
def quotient(y: Vector, x: Vector, dy: Vector, dx: Vector, part: int, parts: int) -> None:
    """dx = y / x * dy: the unstable gradient of a product y, undefined where x is 0."""
    for i in range(*span(dx.size, part, parts)):
        dx[i] = y[i] / x[i] * dy[i]


@kernel
def larger(a: Vector, b: Vector, y: Vector, mask: Ints, part: int, parts: int) -> None:
    """y = max(a, b), mask = 0 where it is a's, 1 where it is b's; b wins a tie."""
    for i in range(*span(y.size, part, parts)):
        first = a[i] > b[i]
        y[i] = a[i] if first else b[i]
        mask[i] = 0 if first else 1


@kernel
def raise_to(x: Vector, y: Vector, mask: Ints, index: int, part: int, parts: int) -> None:
    """y = max(y, x), mask = index where x is strictly larger."""
    for i in range(*span(y.size, part, parts)):
        more = x[i] > y[i]
        y[i] = x[i] if more else y[i]
        mask[i] = index if more else mask[i]


@kernel
def larger_only(a: Vector, b: Vector, y: Vector, part: int, parts: int) -> None:
    """y = max(a, b); nothing is kept for backward."""
    for i in range(*span(y.size, part, parts)):
        y[i] = a[i] if a[i] > b[i] else b[i]


@kernel
def select(mask: Ints, dy: Vector, dx: Vector, index: int, part: int, parts: int) -> None:
    """dx = dy where mask is index, else 0."""
    zero = dy.dtype.type(0)
    for i in range(*span(dx.size, part, parts)):
        dx[i] = dy[i] if mask[i] == index else zero
