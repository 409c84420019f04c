"""Elementwise activations, forward next to backward. A kernel writes its part of the last array.

Arrays are flat, (M,), but for those of PReLU, which has a slope for each channel. y may be x, and dx may be dy.
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


@rows()
def squash(x: Row, y: Row) -> None:
    """y = 1 / (1 + e^-x)."""
    y.put(1.0 / (1.0 + (0.0 - x.get()).exp()))


@rows()
def bound(x: Row, y: Row) -> None:
    """y = tanh x."""
    y.put(x.get().tanh())


@rows()
def decay(x: Row, y: Row, alpha: Real) -> None:
    """y = x where x > 0, else alpha * (e^x - 1)."""
    value = x.get()
    y.put(value.where(value > 0, alpha * (value.exp() - 1.0)))


@rows()
def decay_diff(x: Row, dy: Row, dx: Row, alpha: Real) -> None:
    """dx = dy where x > 0, else alpha * e^x * dy."""
    value, diff = x.get(), dy.get()
    dx.put(diff.where(value > 0, diff * (alpha * value.exp())))


@kernel
def relu_forward(x: Vector, y: Vector, slope: float, part: int, parts: int) -> None:
    """x, y: (M,). y = x where x > 0, else slope * x."""
    first, last = span(x.size, part, parts)
    bend(last - first, x, first, y, first, slope)


@kernel
def relu_backward(x: Vector, dy: Vector, dx: Vector, slope: float, part: int, parts: int) -> None:
    """x, dy, dx: (M,). dx = dy where x > 0, else slope * dy; the slope rules at x = 0. For x may stand anything of its sign, like y."""
    first, last = span(x.size, part, parts)
    bend_diff(last - first, x, first, dy, first, dx, first, slope)


@kernel
def sigmoid_forward(x: Vector, y: Vector, part: int, parts: int) -> None:
    """x, y: (M,). y = 1 / (1 + e^-x)."""
    first, last = span(x.size, part, parts)
    squash(last - first, x, first, y, first)


@rows(group=2)
def squash_diff(y: Row, dy: Row, dx: Row) -> None:
    """dx = y * (1 - y) * dy."""
    value = y.get()
    dx.put(dy.get() * value * (1.0 - value))


@kernel
def sigmoid_backward(y: Vector, dy: Vector, dx: Vector, part: int, parts: int) -> None:
    """y, dy, dx: (M,). dx = y * (1 - y) * dy."""
    first, last = span(y.size, part, parts)
    squash_diff(last - first, y, first, dy, first, dx, first)


@kernel
def tanh_forward(x: Vector, y: Vector, part: int, parts: int) -> None:
    """x, y: (M,). y = tanh x."""
    first, last = span(x.size, part, parts)
    bound(last - first, x, first, y, first)


@rows(group=2)
def bound_diff(y: Row, dy: Row, dx: Row) -> None:
    """dx = (1 - y^2) * dy."""
    value = y.get()
    dx.put(dy.get() * (1.0 - value * value))


@kernel
def tanh_backward(y: Vector, dy: Vector, dx: Vector, part: int, parts: int) -> None:
    """y, dy, dx: (M,). dx = (1 - y^2) * dy."""
    first, last = span(y.size, part, parts)
    bound_diff(last - first, y, first, dy, first, dx, first)


@kernel
def elu_forward(x: Vector, y: Vector, alpha: float, part: int, parts: int) -> None:
    """x, y: (M,). y = x where x > 0, else alpha * (e^x - 1)."""
    first, last = span(x.size, part, parts)
    decay(last - first, x, first, y, first, alpha)


@kernel
def elu_backward(x: Vector, dy: Vector, dx: Vector, alpha: float, part: int, parts: int) -> None:
    """x, dy, dx: (M,). dx = dy where x > 0, else alpha * e^x * dy."""
    first, last = span(x.size, part, parts)
    decay_diff(last - first, x, first, dy, first, dx, first, alpha)


@rows(group=2)
def line(x: Row, y: Row, scale: Real, shift: Real) -> None:
    """y = scale * x + shift."""
    y.put(scale * x.get() + shift)


@kernel
def linear(x: Vector, y: Vector, scale: float, shift: float, part: int, parts: int) -> None:
    """x, y: (M,). y = scale * x + shift."""
    first, last = span(x.size, part, parts)
    line(last - first, x, first, y, first, scale, shift)


@kernel
def square_forward(x: Vector, y: Vector, scale: float, shift: float, part: int, parts: int) -> None:
    """x, y: (M,). y = (scale * x + shift)^2."""
    first, last = span(x.size, part, parts)
    x, y = x[first:last], y[first:last]
    for i in range(x.size):
        base = scale * x[i] + shift
        y[i] = base * base


@kernel
def square_backward(x: Vector, dy: Vector, dx: Vector, scale: float, shift: float, part: int, parts: int) -> None:
    """x, dy, dx: (M,). dx = 2 * scale * (scale * x + shift) * dy."""
    twice = scale + scale
    first, last = span(x.size, part, parts)
    x, dy, dx = x[first:last], dy[first:last], dx[first:last]
    for i in range(x.size):
        dx[i] = twice * (scale * x[i] + shift) * dy[i]


@kernel
def power_forward(x: Vector, y: Vector, power: float, scale: float, shift: float, part: int, parts: int) -> None:
    """x, y: (M,). y = (scale * x + shift)^power."""
    for i in range(*span(x.size, part, parts)):
        y[i] = (scale * x[i] + shift) ** power


@kernel
def power_backward(
    x: Vector, dy: Vector, dx: Vector, power: float, scale: float, shift: float, part: int, parts: int
) -> None:
    """x, dy, dx: (M,). dx = power * scale * (scale * x + shift)^(power - 1) * dy."""
    factor, below = power * scale, power - x.dtype.type(1)
    for i in range(*span(x.size, part, parts)):
        dx[i] = factor * (scale * x[i] + shift) ** below * dy[i]


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
    """x, y: (P, C). y = x where x > 0, else a * x. Channels are innermost; a (width,) has the slopes of a row of one or more pixels."""
    width = a.size
    first, last = span((x.size + width - 1) // width, part, parts)
    for at in range(first * width, min(last * width, x.size), width):
        bend_by(min(width, x.size - at), x, at, a, 0, y, at)


@kernel
def prelu_backward(x: Vector, a: Vector, dy: Vector, dx: Vector, part: int, parts: int) -> None:
    """x, dy, dx: (P, C), a: (width,). dx = dy where x > 0, else a * dy."""
    width = a.size
    first, last = span((x.size + width - 1) // width, part, parts)
    for at in range(first * width, min(last * width, x.size), width):
        bend_diff_by(min(width, x.size - at), x, at, a, 0, dy, at, dx, at)


@kernel
def prelu_sums(x: Vector, dy: Vector, partial: Doubles, width: int, part: int, parts: int) -> None:
    """x, dy: (P, C). partial (parts, 2, width) = for each slot of a piece the sum of dy * x over x <= 0; and 0."""
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
