"""PReLU: y = x where x > 0, else a * x, a slope for each channel; in rows of channels, and in planes.

Forward stands next to backward. y may be x, and dx may be dy.
"""

from __future__ import annotations

import numpy as np

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Array3, Doubles, Vector
from netspec.codegen.rows import Real, Row, Variable, Whole, rows, times
from netspec.kernels.norm import BLOCK


@rows(group=2)
def bend(x: Row, y: Row, slope: Real) -> None:
    """y = x where x > 0, else slope * x."""
    value = x.get()
    y.put(value.where(value > 0, slope * value))


@rows(group=2)
def bend_diff(x: Row, dy: Row, dx: Row, slope: Real) -> None:
    """dx = dy where x > 0, else slope * dy."""
    value = dy.get()
    dx.put(value.where(x.get() > 0, slope * value))


@rows(group=2)
def bend_by(x: Row, a: Row, y: Row) -> None:
    """y = x where x > 0, else a * x."""
    value = x.get()
    y.put(value.where(value > 0, a.get() * value))


@rows(group=2)
def bend_diff_by(x: Row, a: Row, dy: Row, dx: Row) -> None:
    """dx = dy where x > 0, else a * dy."""
    value = dy.get()
    dx.put(value.where(x.get() > 0, a.get() * value))


@rows(group=2)
def add_bent(x: Row, dy: Row, s: Row, number: Whole, width: Whole) -> None:
    """s += the sum of dy * x over a number of rows, where x <= 0."""
    total = Variable(x.fill(0))
    for i in times(number):
        value = x.get(i * width)
        total.set(total.get() + (dy.get(i * width) * value).cleared(value > 0))
    s.put(s.get() + total.get().double())


@kernel
def prelu_forward(x: Vector, a: Vector, y: Vector, part: int, parts: int) -> None:
    """y = x where x > 0, else a * x, with channels innermost.

    x, y: (M,), a (width,): the slopes of a row, which is one or more pixels.
    """
    width = a.size
    first, last = span((x.size + width - 1) // width, part, parts)
    for at in range(first * width, min(last * width, x.size), width):
        bend_by(min(width, x.size - at), x, at, a, 0, y, at)


@kernel
def prelu_backward(x: Vector, a: Vector, dy: Vector, dx: Vector, part: int, parts: int) -> None:
    """dx = dy where x > 0, else a * dy; arrays as in `prelu_forward`."""
    width = a.size
    first, last = span((x.size + width - 1) // width, part, parts)
    for at in range(first * width, min(last * width, x.size), width):
        bend_diff_by(min(width, x.size - at), x, at, a, 0, dy, at, dx, at)


@kernel
def prelu_sums(x: Vector, dy: Vector, partial: Doubles, width: int, part: int, parts: int) -> None:
    """partial (parts, 2, width) = for each slot of a piece: the sum of dy * x over x <= 0, then 0."""
    first, last = span(x.size // width, part, parts)
    at = 2 * width * part
    for i in range(at, at + 2 * width):
        partial[i] = 0
    for row in range(first, last, BLOCK):
        add_bent(width, x, row * width, dy, row * width, partial, at, min(BLOCK, last - row), width)
    if part == parts - 1:
        rest = x.size % width
        add_bent(rest, x, x.size - rest, dy, x.size - rest, partial, at, 1, width)


@helper
def plane_bent(x: Vector, dy: Vector) -> float:
    """The sum of dy * x over x <= 0; x, dy: (M,)."""
    total = 0.0
    for i in range(x.size):
        total += 0.0 if x[i] > 0 else np.float64(dy[i]) * x[i]
    return total


@kernel
def plane_prelu_forward(x: Array3, a: Vector, y: Array3, part: int, parts: int) -> None:
    """x, y: (N, C, M), a: (C,). y = x where x > 0, else a * x. A part owns planes."""
    (n, c, m), flat, out = x.shape, x.reshape(x.size), y.reshape(y.size)
    for plane in range(*span(n * c, part, parts)):
        bend(m, flat, plane * m, out, plane * m, a[plane % c])


@kernel
def plane_prelu_backward(x: Array3, a: Vector, dy: Array3, dx: Array3, part: int, parts: int) -> None:
    """x, dy, dx: (N, C, M), a: (C,). dx = dy where x > 0, else a * dy. A part owns planes."""
    (n, c, m), flat, diff, out = x.shape, x.reshape(x.size), dy.reshape(dy.size), dx.reshape(dx.size)
    for plane in range(*span(n * c, part, parts)):
        bend_diff(m, flat, plane * m, diff, plane * m, out, plane * m, a[plane % c])


@kernel
def plane_prelu_sums(x: Array3, dy: Array3, sums: Doubles, part: int, parts: int) -> None:
    """x, dy: (N, C, M); sums (C,) = those of dy * x over x <= 0. A part owns channels."""
    for c in range(*span(x.shape[1], part, parts)):
        sums[c] = 0
        for n in range(x.shape[0]):
            sums[c] += plane_bent(x[n, c], dy[n, c])
