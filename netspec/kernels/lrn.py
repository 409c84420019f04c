"""Local response normalisation, y = x * s^-beta. A part owns pieces of images (ACROSS) or planes (WITHIN), for all of their channels.

Windows are summed anew for every value: a sum that slides would carry the rounding errors of large values along.
"""

from __future__ import annotations

import math

from netspec.kernels.jit import Array3, Matrix, Vector, helper, kernel, span


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


@helper
def channel_sums(x: Matrix, channel: int, first: int, last: int, half: int, weight: float, k: float, s: Vector) -> None:
    """s (last - first,) = k + weight * the sum of x^2 over the channels around one; x: (C, M)."""
    for i in range(s.size):
        s[i] = k
    for other in range(max(channel - half, 0), min(channel + half + 1, x.shape[0])):
        add_squares(x[other, first:last], s, weight)


@kernel
def across_forward(x: Array3, y: Array3, tile: int, size: int, alpha: float, beta: float, k: float, part: int, parts: int) -> None:
    """x, y: (N, C, M)."""
    (n, c, m), half = x.shape, size // 2
    tiles, weight = (m + tile - 1) // tile, alpha / x.dtype.type(size)
    for unit in range(*span(n * tiles, part, parts)):
        image, first = unit // tiles, unit % tiles * tile
        last = min(first + tile, m)
        for channel in range(c):
            out = y[image, channel, first:last]
            channel_sums(x[image], channel, first, last, half, weight, k, out)
            respond(x[image, channel, first:last], out, beta)


@kernel
def across_backward(
    x: Array3, dy: Array3, dx: Array3, window: Array3, size: int, alpha: float, beta: float, k: float, part: int, parts: int
) -> None:
    """x, dy, dx: (N, C, M); window: (parts, n, T), in which channel c of a tile has the place c % n."""
    (n, c, m), (_, ring, tile), half = x.shape, window.shape, size // 2
    tiles, weight = (m + tile - 1) // tile, alpha / x.dtype.type(size)
    back = x.dtype.type(2) * weight * beta
    for unit in range(*span(n * tiles, part, parts)):
        image, first = unit // tiles, unit % tiles * tile
        last = min(first + tile, m)
        for ahead in range(c + half):
            if ahead < c:
                s = window[part, ahead % ring, : last - first]
                channel_sums(x[image], ahead, first, last, half, weight, k, s)
                spread(x[image, ahead, first:last], dy[image, ahead, first:last], dx[image, ahead, first:last], s, beta)
            channel = ahead - half
            if channel >= 0:
                for other in range(max(channel - half, 0), min(channel + half + 1, c)):
                    summed = window[part, other % ring, : last - first]
                    take(x[image, channel, first:last], summed, dx[image, channel, first:last], back)


@helper
def shifted(width: int, shift: int) -> tuple[int, int]:
    """First and one past the last place j of a row for which j + shift lies in it too."""
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
    """x, y: (N*C, H, W)."""
    weight = alpha / x.dtype.type(size * size)
    for plane in range(*span(x.shape[0], part, parts)):
        plane_sums(x[plane], y[plane], size // 2, weight)
        for i in range(x.shape[1]):
            respond(x[plane, i], y[plane, i], beta)


@kernel
def within_backward(x: Array3, dy: Array3, dx: Array3, window: Matrix, size: int, alpha: float, beta: float, part: int, parts: int) -> None:
    """x, dy, dx: (N*C, H, W); window: (parts, H*W)."""
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
