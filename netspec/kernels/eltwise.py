"""Sums, products and maxima of several blobs, two at a time. Every array is flat, (M,), and y may be one of the others.

`low` is a lower bound on y: 0 where a ReLU follows, else NaN, which bounds nothing.
"""

from __future__ import annotations

from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Ints, Vector
from netspec.codegen.rows import Real, Row, Whole, rows


@rows(group=2)
def weigh(a: Row, b: Row, y: Row, of_a: Real, of_b: Real, low: Real) -> None:
    """y = of_a * a + of_b * b."""
    value = of_a * a.get() + of_b * b.get()
    y.put(low.where(value < low, value))


@rows(group=2)
def multiply(a: Row, b: Row, y: Row, low: Real) -> None:
    """y = a * b."""
    value = a.get() * b.get()
    y.put(low.where(value < low, value))


@rows(group=2)
def raised(a: Row, b: Row, y: Row, low: Real) -> None:
    """y = b where b > a, else a."""
    value, more = a.get(), b.get()
    value = more.where(more > value, value)
    y.put(low.where(value < low, value))


@rows()
def raised_by(a: Row, b: Row, y: Row, mask: Row, low: Real, first: Whole, index: Whole) -> None:
    """y = b and mask = `index` where b > a; else y = a, and mask = `first`, or is kept if `first` is -1."""
    value, more = a.get(), b.get()
    larger = more > value
    value = more.where(larger, value)
    y.put(low.where(value < low, value))
    mask.put(index.spread(mask).where(larger, first.spread(mask).where(first.spread(mask) > -1, mask.get())))


@rows(group=2)
def take(dy: Row, y: Row, dx: Row, factor: Real, low: Real) -> None:
    """dx = factor * dy, but 0 where y <= low."""
    dx.put(factor * dy.get().cleared(y.get() <= low))


@rows(group=2)
def take_both(dy: Row, y: Row, a: Row, b: Row, of_a: Real, of_b: Real, low: Real) -> None:
    """a = of_a * dy, b = of_b * dy, but 0 where y <= low."""
    value = dy.get().cleared(y.get() <= low)
    a.put(of_a * value)
    b.put(of_b * value)


@rows(group=2)
def take_more(dy: Row, y: Row, dx: Row, factor: Real, low: Real) -> None:
    """dx += factor * dy, but for where y <= low."""
    dx.put(factor * dy.get().cleared(y.get() <= low) + dx.get())


@kernel
def weighted_sum(a: Vector, b: Vector, y: Vector, of_a: float, of_b: float, low: float, part: int, parts: int) -> None:
    """a, b, y: (M,). y = of_a * a + of_b * b."""
    first, last = span(y.size, part, parts)
    weigh(last - first, a, first, b, first, y, first, of_a, of_b, low)


@kernel
def product(a: Vector, b: Vector, y: Vector, low: float, part: int, parts: int) -> None:
    """a, b, y: (M,). y = a * b."""
    first, last = span(y.size, part, parts)
    multiply(last - first, a, first, b, first, y, first, low)


@kernel
def larger(a: Vector, b: Vector, y: Vector, low: float, part: int, parts: int) -> None:
    """a, b, y: (M,). y = b where b > a, else a; nothing is kept for backward."""
    first, last = span(y.size, part, parts)
    raised(last - first, a, first, b, first, y, first, low)


@kernel
def larger_from(
    a: Vector, b: Vector, y: Vector, mask: Ints, low: float, of_a: int, of_b: int, part: int, parts: int
) -> None:
    """y = b and mask = of_b where b > a; else y = a, and mask = of_a, or is kept if of_a is -1.

    a, b, y, mask: (M,).
    """
    first, last = span(y.size, part, parts)
    raised_by(last - first, a, first, b, first, y, first, mask, first, low, of_a, of_b)


@kernel
def passed(dy: Vector, y: Vector, dx: Vector, factor: float, low: float, add: int, part: int, parts: int) -> None:
    """dy, y, dx: (M,). dx = (with `add`: +=) factor * dy, but 0 where y <= low."""
    first, last = span(dx.size, part, parts)
    if add:
        take_more(last - first, dy, first, y, first, dx, first, factor, low)
    else:
        take(last - first, dy, first, y, first, dx, first, factor, low)


@kernel
def passed_to_both(
    dy: Vector, y: Vector, a: Vector, b: Vector, of_a: float, of_b: float, low: float, part: int, parts: int
) -> None:
    """dy, y, a, b: (M,). a = of_a * dy, b = of_b * dy, but 0 where y <= low."""
    first, last = span(dy.size, part, parts)
    take_both(last - first, dy, first, y, first, a, first, b, first, of_a, of_b, low)


@kernel
def quotient(y: Vector, x: Vector, dy: Vector, dx: Vector, part: int, parts: int) -> None:
    """y, x, dy, dx: (M,). dx = y / x * dy: the unstable gradient of a product y, undefined where x is 0."""
    first, last = span(dx.size, part, parts)
    y, x, dy, dx = y[first:last], x[first:last], dy[first:last], dx[first:last]
    for i in range(dx.size):
        dx[i] = y[i] / x[i] * dy[i]


@kernel
def select(mask: Ints, dy: Vector, dx: Vector, index: int, part: int, parts: int) -> None:
    """mask, dy, dx: (M,). dx = dy where mask is index, else 0."""
    zero = dy.dtype.type(0)
    first, last = span(dx.size, part, parts)
    mask, dy, dx = mask[first:last], dy[first:last], dx[first:last]
    for i in range(dx.size):
        dx[i] = dy[i] if mask[i] == index else zero
