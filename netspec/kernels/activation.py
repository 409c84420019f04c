"""Elementwise activations, forward next to backward. Every array is flat, (M,); a kernel writes its part of the last one."""

from __future__ import annotations

import math

from netspec.kernels.jit import Vector, kernel, span


@kernel
def relu_forward(x: Vector, y: Vector, slope: float, part: int, parts: int) -> None:
    """y = x where x > 0, else slope * x."""
    for i in range(*span(x.size, part, parts)):
        y[i] = x[i] if x[i] > 0 else slope * x[i]


@kernel
def relu_backward(x: Vector, dy: Vector, dx: Vector, slope: float, part: int, parts: int) -> None:
    """dx = dy where x > 0, else slope * dy; the slope rules at x = 0."""
    for i in range(*span(x.size, part, parts)):
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
    for i in range(*span(y.size, part, parts)):
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
    for i in range(*span(y.size, part, parts)):
        dx[i] = dy[i] * (one - y[i] * y[i])
