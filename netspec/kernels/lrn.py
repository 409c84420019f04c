"""Local response normalisation, y = x * s^-beta.

A part owns pixels with all their channels (ACROSS), or planes (WITHIN). Windows are summed anew for every value: a sum
that slides would carry the rounding errors of large values along.
"""

from __future__ import annotations

import math

from netspec.codegen.geometry import LRN_PIXELS
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Array3, Matrix, Vector
from netspec.codegen.rows import Real, Row, Variable, Whole, rows, times


@helper
def add_squares(x: Vector, s: Vector, weight: float) -> None:
    """s += weight * x^2; x, s: (M,)."""
    for i in range(s.size):
        s[i] += weight * x[i] * x[i]


@helper
def respond(x: Vector, y: Vector, beta: float) -> None:
    """y, which holds s, becomes x * s^-beta; x, y: (M,). The usual beta, 0.75, takes square roots."""
    one = y.dtype.type(1)
    if beta == 0.75:
        for i in range(y.size):
            inverse = one / y[i]
            root = math.sqrt(inverse)
            y[i] = x[i] * (root * math.sqrt(root))
    else:
        for i in range(y.size):
            y[i] = x[i] * y[i] ** -beta


@helper
def spread(x: Vector, dy: Vector, dx: Vector, s: Vector, beta: float) -> None:
    """dx = dy * s^-beta, and s becomes dy * x * s^(-beta-1); all (M,)."""
    one = dx.dtype.type(1)
    if beta == 0.75:
        for i in range(dx.size):
            inverse = one / s[i]
            root = math.sqrt(inverse)
            own = dy[i] * (root * math.sqrt(root))
            dx[i] = own
            s[i] = own * x[i] * inverse
    else:
        for i in range(dx.size):
            own = dy[i] * s[i] ** -beta
            dx[i] = own
            s[i] = own * x[i] / s[i]


@helper
def take(x: Vector, window: Vector, dx: Vector, weight: float) -> None:
    """dx -= weight * x * window; all (M,)."""
    for i in range(dx.size):
        dx[i] -= weight * x[i] * window[i]


@rows(again=True)
def squares(x: Row, q: Row) -> None:
    """q = x^2."""
    value = x.get()
    q.put(value * value)


@rows(again=True)
def windows(q: Row, s: Row, size: Whole, weight: Real, k: Real) -> None:
    """s = k + weight * the sum of q over each window, which begins where its channel stands in q."""
    total = Variable(q.fill(0))
    for i in times(size):
        total.set(total.get() + q.get(i))
    s.put(k + weight * total.get())


@rows(again=True)
def respond_usual(x: Row, q: Row, y: Row, size: Whole, weight: Real, k: Real) -> None:
    """y = x * s^-0.75 with the s of `windows`."""
    total = Variable(q.fill(0))
    for i in times(size):
        total.set(total.get() + q.get(i))
    root = (1.0 / (k + weight * total.get())).sqrt()
    y.put(x.get() * (root * root.sqrt()))


@rows(again=True)
def spread_usual(x: Row, q: Row, dy: Row, dx: Row, ratio: Row, size: Whole, weight: Real, k: Real) -> None:
    """dx = dy * s^-0.75, ratio = dy * x * s^-1.75."""
    total = Variable(q.fill(0))
    for i in times(size):
        total.set(total.get() + q.get(i))
    inverse = 1.0 / (k + weight * total.get())
    root = inverse.sqrt()
    own = dy.get() * (root * root.sqrt())
    dx.put(own)
    ratio.put(own * x.get() * inverse)


@rows()
def take_windows(x: Row, ratio: Row, dx: Row, size: Whole, weight: Real) -> None:
    """dx -= weight * x * the sum of the ratio over each window."""
    total = Variable(x.fill(0))
    for i in times(size):
        total.set(total.get() + ratio.get(i))
    dx.put(dx.get() - weight * x.get() * total.get())


@kernel
def across_forward(
    x: Matrix, y: Matrix, square: Matrix, size: int, alpha: float, beta: float, k: float, part: int, parts: int
) -> None:
    """y = x * s^-beta with s = k + alpha/size * the sum of x^2 over `size` channels around each. A part owns pixels.

    x, y: (P, C), square: (parts, LRN_PIXELS * (C + size - 1)), the squares with zeros on both sides of the channels.
    """
    (p, c), wide, half, weight = x.shape, x.shape[1] + size - 1, size // 2, alpha / x.dtype.type(size)
    q, flat, out = square[part], x.reshape(x.size), y.reshape(y.size)
    for i in range(q.size):
        q[i] = 0
    first, last = span(p, part, parts)
    for start in range(first, last, LRN_PIXELS):
        number = min(LRN_PIXELS, last - start)
        for i in range(number):
            squares(c, flat, (start + i) * c, q, i * wide + half)
        for i in range(number):
            at = (start + i) * c
            if beta == 0.75:
                respond_usual(c, flat, at, q, i * wide, out, at, size, weight, k)
            else:
                windows(c, q, i * wide, out, at, size, weight, k)
                respond(flat[at : at + c], out[at : at + c], beta)


@kernel
def across_backward(
    x: Matrix,
    dy: Matrix,
    dx: Matrix,
    square: Matrix,
    ratio: Matrix,
    size: int,
    alpha: float,
    beta: float,
    k: float,
    part: int,
    parts: int,
) -> None:
    """dx = dy * s^-beta - 2 * alpha * beta / size * x * the sum of dy * x * s^(-beta-1) over the channels around.

    A part owns pixels. x, dy, dx: (P, C), square, ratio: (parts, LRN_PIXELS * (C + size - 1)), with zeros on both sides
    of the channels.
    """
    (p, c), wide, half, weight = x.shape, x.shape[1] + size - 1, size // 2, alpha / x.dtype.type(size)
    q, r, flat, diff, out = square[part], ratio[part], x.reshape(x.size), dy.reshape(dy.size), dx.reshape(dx.size)
    back = x.dtype.type(2) * weight * beta
    for i in range(q.size):
        q[i] = 0
        r[i] = 0
    first, last = span(p, part, parts)
    for start in range(first, last, LRN_PIXELS):
        number = min(LRN_PIXELS, last - start)
        for i in range(number):
            squares(c, flat, (start + i) * c, q, i * wide + half)
        for i in range(number):
            at, own = (start + i) * c, i * wide + half
            if beta == 0.75:
                spread_usual(c, flat, at, q, i * wide, diff, at, out, at, r, own, size, weight, k)
            else:
                windows(c, q, i * wide, r, own, size, weight, k)
                spread(flat[at : at + c], diff[at : at + c], out[at : at + c], r[own : own + c], beta)
        for i in range(number):
            at = (start + i) * c
            take_windows(c, flat, at, r, i * wide, out, at, size, back)


@helper
def shifted(width: int, shift: int) -> tuple[int, int]:
    """(first, one past the last) place j of a row for which j + shift lies in the row too."""
    first = max(0, -shift)
    return first, max(first, min(width, width - shift))


@helper
def plane_sums(x: Matrix, s: Matrix, half: int, weight: float) -> None:
    """s = 1 + weight * the sum of x^2 over the places around each; x, s: (H, W)."""
    h, w = x.shape
    for i in range(h):
        row = s[i]
        for j in range(w):
            row[j] = 1
        for u in range(max(i - half, 0), min(i + half + 1, h)):
            for v in range(-half, half + 1):
                first, last = shifted(w, v)
                add_squares(x[u, first + v : last + v], row[first:last], weight)


@kernel
def within_forward(x: Array3, y: Array3, size: int, alpha: float, beta: float, part: int, parts: int) -> None:
    """y = x * s^-beta with s of `plane_sums`. x, y: (N*C, H, W). A part owns planes."""
    weight = alpha / x.dtype.type(size * size)
    for plane in range(*span(x.shape[0], part, parts)):
        plane_sums(x[plane], y[plane], size // 2, weight)
        for i in range(x.shape[1]):
            respond(x[plane, i], y[plane, i], beta)


@kernel
def within_backward(
    x: Array3, dy: Array3, dx: Array3, window: Matrix, size: int, alpha: float, beta: float, part: int, parts: int
) -> None:
    """dx = dy * s^-beta - 2 * alpha * beta / size^2 * x * the sum of dy * x * s^(-beta-1) over the places around.

    A part owns planes. x, dy, dx: (N*C, H, W), window: (parts, H*W).
    """
    (planes, h, w), half = x.shape, size // 2
    weight = alpha / x.dtype.type(size * size)
    back = x.dtype.type(2) * weight * beta
    s = window[part].reshape(h, w)
    for plane in range(*span(planes, part, parts)):
        plane_sums(x[plane], s, half, weight)
        for i in range(h):
            spread(x[plane, i], dy[plane, i], dx[plane, i], s[i], beta)
        for i in range(h):
            for u in range(max(i - half, 0), min(i + half + 1, h)):
                for v in range(-half, half + 1):
                    first, last = shifted(w, v)
                    take(x[plane, i, first:last], s[u, first + v : last + v], dx[plane, i, first:last], back)
