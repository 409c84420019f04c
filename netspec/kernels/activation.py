"""Elementwise activations, forward next to backward. A kernel writes its part of the last array.

Arrays are flat, (M,), but for those of PReLU, which has a slope for each channel. Loops run on slices of their part: they are vectorised
then.
"""

from __future__ import annotations

import math

import numpy as np

from netspec.kernels.jit import Array3, Vector, helper, kernel, span, summing


@kernel
def relu_forward(x: Vector, y: Vector, slope: float, part: int, parts: int) -> None:
    """y = x where x > 0, else slope * x."""
    first, last = span(x.size, part, parts)
    x, y = x[first:last], y[first:last]
    for i in range(x.size):
        y[i] = x[i] if x[i] > 0 else slope * x[i]


@kernel
def relu_backward(x: Vector, dy: Vector, dx: Vector, slope: float, part: int, parts: int) -> None:
    """dx = dy where x > 0, else slope * dy; the slope rules at x = 0. For x may stand anything of its sign, like y."""
    first, last = span(x.size, part, parts)
    x, dy, dx = x[first:last], dy[first:last], dx[first:last]
    for i in range(x.size):
        dx[i] = dy[i] if x[i] > 0 else slope * dy[i]


@kernel
def sigmoid_forward(x: Vector, y: Vector, part: int, parts: int) -> None:
    """y = 1 / (1 + e^-x), as 0.5 * tanh(0.5 * x) + 0.5, which never overflows."""
    half = x.dtype.type(0.5)
    for i in range(*span(x.size, part, parts)):
        y[i] = half * math.tanh(half * x[i]) + half


@kernel
def sigmoid_backward(y: Vector, dy: Vector, dx: Vector, part: int, parts: int) -> None:
    """dx = y * (1 - y) * dy."""
    one = y.dtype.type(1)
    first, last = span(y.size, part, parts)
    y, dy, dx = y[first:last], dy[first:last], dx[first:last]
    for i in range(y.size):
        dx[i] = dy[i] * y[i] * (one - y[i])


@kernel
def tanh_forward(x: Vector, y: Vector, part: int, parts: int) -> None:
    """y = tanh x."""
    for i in range(*span(x.size, part, parts)):
        y[i] = math.tanh(x[i])


@kernel
def tanh_backward(y: Vector, dy: Vector, dx: Vector, part: int, parts: int) -> None:
    """dx = (1 - y^2) * dy."""
    one = y.dtype.type(1)
    first, last = span(y.size, part, parts)
    y, dy, dx = y[first:last], dy[first:last], dx[first:last]
    for i in range(y.size):
        dx[i] = dy[i] * (one - y[i] * y[i])


@kernel
def elu_forward(x: Vector, y: Vector, alpha: float, part: int, parts: int) -> None:
    """y = x where x > 0, else alpha * (e^x - 1)."""
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for i in range(*span(x.size, part, parts)):
        y[i] = max(x[i], zero) + alpha * (math.exp(min(x[i], zero)) - one)


@kernel
def elu_backward(x: Vector, dy: Vector, dx: Vector, alpha: float, part: int, parts: int) -> None:
    """dx = dy where x > 0, else alpha * e^x * dy."""
    for i in range(*span(x.size, part, parts)):
        dx[i] = dy[i] if x[i] > 0 else dy[i] * (alpha * math.exp(x[i]))


@kernel
def linear(x: Vector, y: Vector, scale: float, shift: float, part: int, parts: int) -> None:
    """y = scale * x + shift."""
    first, last = span(x.size, part, parts)
    x, y = x[first:last], y[first:last]
    for i in range(x.size):
        y[i] = scale * x[i] + shift


@kernel
def square_forward(x: Vector, y: Vector, scale: float, shift: float, part: int, parts: int) -> None:
    """y = (scale * x + shift)^2."""
    first, last = span(x.size, part, parts)
    x, y = x[first:last], y[first:last]
    for i in range(x.size):
        base = scale * x[i] + shift
        y[i] = base * base


@kernel
def square_backward(x: Vector, dy: Vector, dx: Vector, scale: float, shift: float, part: int, parts: int) -> None:
    """dx = 2 * scale * (scale * x + shift) * dy."""
    twice = scale + scale
    first, last = span(x.size, part, parts)
    x, dy, dx = x[first:last], dy[first:last], dx[first:last]
    for i in range(x.size):
        dx[i] = twice * (scale * x[i] + shift) * dy[i]


@kernel
def power_forward(x: Vector, y: Vector, power: float, scale: float, shift: float, part: int, parts: int) -> None:
    """y = (scale * x + shift)^power."""
    for i in range(*span(x.size, part, parts)):
        y[i] = (scale * x[i] + shift) ** power


@kernel
def power_backward(x: Vector, dy: Vector, dx: Vector, power: float, scale: float, shift: float, part: int, parts: int) -> None:
    """dx = power * scale * (scale * x + shift)^(power - 1) * dy."""
    factor, below = power * scale, power - x.dtype.type(1)
    for i in range(*span(x.size, part, parts)):
        dx[i] = factor * (scale * x[i] + shift) ** below * dy[i]


@helper
def bend(x: Vector, y: Vector, slope: float) -> None:
    """y = x where x > 0, else slope * x."""
    for i in range(y.size):
        y[i] = x[i] if x[i] > 0 else slope * x[i]


@helper
def bend_diff(x: Vector, dy: Vector, dx: Vector, slope: float) -> None:
    """dx = dy where x > 0, else slope * dy."""
    for i in range(dx.size):
        dx[i] = dy[i] if x[i] > 0 else slope * dy[i]


@kernel
def prelu_forward(x: Array3, a: Vector, y: Array3, part: int, parts: int) -> None:
    """x, y: (N, C, M), a: (C,). y = x where x > 0, else a * x. A part owns planes."""
    n, c, _ = x.shape
    for plane in range(*span(n * c, part, parts)):
        bend(x[plane // c, plane % c], y[plane // c, plane % c], a[plane % c])


@kernel
def prelu_backward(x: Array3, a: Vector, dy: Array3, dx: Array3, part: int, parts: int) -> None:
    """x, dy, dx: (N, C, M), a: (C,). dx = dy where x > 0, else a * dy. A part owns planes."""
    n, c, _ = x.shape
    for plane in range(*span(n * c, part, parts)):
        image, channel = plane // c, plane % c
        bend_diff(x[image, channel], dy[image, channel], dx[image, channel], a[channel])


@summing
def slope_sum(x: Array3, dy: Array3, c: int) -> float:
    """The sum of dy * x over the values of channel c that are not positive."""
    total = 0.0
    for n in range(x.shape[0]):
        row, diff = x[n, c], dy[n, c]
        for i in range(row.size):
            total += np.float64(diff[i]) * (0.0 if row[i] > 0 else np.float64(row[i]))
    return total


@kernel
def prelu_slopes(x: Array3, dy: Array3, da: Vector, part: int, parts: int) -> None:
    """x, dy: (N, C, M), da: (C,). da += the sum of dy * x over x <= 0. A part owns channels."""
    for c in range(*span(x.shape[1], part, parts)):
        da[c] += slope_sum(x, dy, c)
