"""Warping: a new pixel is the mean of points of the old picture, each read between its four neighbours.

The points are the centres of the cells of a grid over the new pixel. Along each side it has as many cells as the side
is long in the old picture, less a quarter, rounded up, at most MOST_CELLS: a picture that shrinks is smoothed. A point
outside the picture, which begins at 0 and ends at its size, has the fill; between the border and the outermost centres
the outermost pixel counts.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Bytes, Clock, Doubles, Vector
from netspec.kernels.pictures import FRAME, Target, pixels

MATRIX = 9
"""Numbers of a projective map, row by row: (x', y', z') = M (x, y, 1), and the old point is (x'/z', y'/z')."""
MOST_CELLS = 8
"""Cells of a new pixel along an axis, at most."""
_LENIENT = 0.25
"""What a length may exceed a whole number by and be rounded down: up to 1.25 there is a single cell."""


class Form(NamedTuple):
    """The sides of a picture, and the distances of two channels and of two pixels in its memory."""

    height: int
    width: int
    channel: int
    pixel: int


@kernel
def warp_bytes(
    frames: Clock, maps: Doubles, points: Doubles, y: Bytes, to: Target, sums: Vector, part: int, parts: int
) -> None:
    """y = the pictures seen through their maps, rounded, halves upwards; arguments as `warp_all` says."""
    warp_all(frames, maps, points, y, to, sums, part, parts)


@kernel
def warp_reals(
    frames: Clock, maps: Doubles, points: Doubles, y: Vector, to: Target, sums: Vector, part: int, parts: int
) -> None:
    """y = the pictures of real numbers seen through their maps; arguments as `warp_all` says."""
    warp_all(frames, maps, points, y, to, sums, part, parts)


@kernel
def nearest(maps: Doubles, points: Doubles, index: Clock, size: Clock, rows: int, part: int, parts: int) -> None:
    """index (rows, W) = the old pixel at each new centre, counted row by row; -1 outside. One picture.

    `size` is the old height and width. The map is that of `maps`, or of `points` where there are any.
    """
    columns = index.size // rows
    for i in range(*span(index.size, part, parts)):
        if points.size:
            u, v = points[2 * i], points[2 * i + 1]
        else:
            u, v, _, _, _, _ = projected(maps, 0, i % columns + 0.5, i // columns + 0.5)
        inside = 0 <= u < size[1] and 0 <= v < size[0]
        index[i] = int(v) * size[1] + int(u) if inside else -1


@helper
def warp_all(
    frames: Clock, maps: Doubles, points: Doubles, y: Vector, to: Target, sums: Vector, part: int, parts: int
) -> None:
    """The pictures of a part; parts share `sums` (channels,), so there is a single one.

    frames (N, FRAME); maps (N, MATRIX), or else points (N, rows, columns, 2): the old x and y of each new centre.
    """
    plane = to.rows * to.columns
    for n in range(*span(frames.size // FRAME, part, parts)):
        x = pixels(frames, n, y)
        form = steps_of(frames, n)
        for r in range(to.rows):
            for q in range(to.columns):
                if points.size:
                    seen = differences(points[2 * n * plane :], r, q, to.rows, to.columns)
                else:
                    seen = projected(maps, n * MATRIX, q + 0.5, r + 0.5)
                mean(x, form, seen, to, sums)
                at = n * to.channels * plane + r * to.columns + q
                for c in range(sums.size):
                    y[np.uint64(at + c * plane)] = sums[c] + to.half


@helper
def steps_of(frames: Clock, n: int) -> Form:
    """Where the values of picture n lie."""
    at = n * FRAME
    height, width, inner = frames[at + 2], frames[at + 3], frames[at + 4]
    return Form(height, width, 1 if frames[at + 1] == 1 else height * width, inner)


@helper
def projected(maps: Doubles, at: int, x: float, y: float) -> tuple[float, float, float, float, float, float]:
    """The old point (u, v) of a new one, and its derivatives du/dx, dv/dx, du/dy, dv/dy."""
    z = maps[at + 6] * x + maps[at + 7] * y + maps[at + 8]
    if z <= 0:  # behind the eye
        return -1.0, -1.0, 0.0, 0.0, 0.0, 0.0
    u = (maps[at] * x + maps[at + 1] * y + maps[at + 2]) / z
    v = (maps[at + 3] * x + maps[at + 4] * y + maps[at + 5]) / z
    return (
        u,
        v,
        (maps[at] - u * maps[at + 6]) / z,
        (maps[at + 3] - v * maps[at + 6]) / z,
        (maps[at + 1] - u * maps[at + 7]) / z,
        (maps[at + 4] - v * maps[at + 7]) / z,
    )


@helper
def differences(
    points: Doubles, r: int, q: int, rows: int, columns: int
) -> tuple[float, float, float, float, float, float]:
    """The old point of the new centre (r, q), and its derivatives, as differences of the points beside it."""
    here = 2 * (r * columns + q)
    left, right = max(q - 1, 0), min(q + 1, columns - 1)
    above, below = max(r - 1, 0), min(r + 1, rows - 1)
    a, b = 2 * (r * columns + left), 2 * (r * columns + right)
    c, d = 2 * (above * columns + q), 2 * (below * columns + q)
    across, down = max(right - left, 1), max(below - above, 1)
    return (
        points[here],
        points[here + 1],
        (points[b] - points[a]) / across,
        (points[b + 1] - points[a + 1]) / across,
        (points[d] - points[c]) / down,
        (points[d + 1] - points[c + 1]) / down,
    )


@helper
def cells(across: float, down: float) -> int:
    """The cells along one side of a new pixel, which is (across, down) in the old picture."""
    return min(MOST_CELLS, max(1, math.ceil(math.sqrt(across * across + down * down) - _LENIENT)))


@helper
def mean(
    x: Vector, form: Form, seen: tuple[float, float, float, float, float, float], to: Target, sums: Vector
) -> None:
    """sums (channels,) = the mean of the points of a new pixel, which is `seen` at a point with derivatives."""
    u, v, ux, vx, uy, vy = seen
    wide, high = cells(ux, vx), cells(uy, vy)
    for c in range(sums.size):
        sums[c] = 0
    if wide == 1 and high == 1:
        add_point(x, form, u, v, to, sums)
        return
    for j in range(high):
        t = (j + 0.5) / high - 0.5
        for i in range(wide):
            s = (i + 0.5) / wide - 0.5
            add_point(x, form, u + s * ux + t * uy, v + s * vx + t * vy, to, sums)
    share = sums.dtype.type(1.0 / (wide * high))
    for c in range(sums.size):
        sums[c] *= share


@helper
def add_point(x: Vector, form: Form, u: float, v: float, to: Target, sums: Vector) -> None:
    """sums (channels,) += the old picture at (u, v)."""
    if not (0 <= u < form.width and 0 <= v < form.height):
        for c in range(sums.size):
            sums[c] += to.fill[c]
        return
    real = sums.dtype.type
    u, v = min(max(u - 0.5, 0.0), form.width - 1.0), min(max(v - 0.5, 0.0), form.height - 1.0)
    left, top = int(u), int(v)
    a, b = real(u - left), real(v - top)
    here = np.uint64((top * form.width + left) * form.pixel)
    right = np.uint64(form.pixel if left + 1 < form.width else 0)
    below = np.uint64(form.width * form.pixel if top + 1 < form.height else 0)
    step = np.uint64(form.channel)
    for c in range(sums.size):
        first, third = real(x[here]), real(x[here + below])
        second, fourth = real(x[here + right]), real(x[here + below + right])
        upper, lower = first + a * (second - first), third + a * (fourth - third)
        sums[c] += upper + b * (lower - upper)
        here += step
