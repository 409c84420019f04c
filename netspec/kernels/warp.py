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
POINTS = 256
"""Points that wait to be added up together."""
MOST_CELLS = 8
"""Cells of a new pixel along an axis, at most."""
_LENIENT = 0.25
"""What a length may exceed a whole number by and be rounded down: up to 1.25 there is a single cell."""

_1, _2, _3 = np.uint64(1), np.uint64(2), np.uint64(3)

Matrix = tuple[float, float, float, float, float, float, float, float, float]
Seen = tuple[float, float, float, float, float, float]
"""A point, and its derivatives."""


class Form(NamedTuple):
    """The sides of a picture, and the distances of two channels and of two pixels in its memory."""

    height: int
    width: int
    channel: int
    pixel: int


class Room(NamedTuple):
    """Room for a row of the result, and for points whose values are added to it together."""

    line: Vector  # (channels, columns)
    place: Clock  # of each point: its column, its upper left pixel, and how far the right and the lower ones are
    weight: Vector  # of each point: how far it is to the right and down between the pixels, and its share of the mean


@kernel
def warp_bytes(
    frames: Clock, maps: Doubles, points: Doubles, y: Bytes, to: Target, room: Room, part: int, parts: int
) -> None:
    """y = the pictures seen through their maps, rounded, halves upwards; arguments as `warp_all` says."""
    warp_all(frames, maps, points, y, to, room, part, parts)


@kernel
def warp_reals(
    frames: Clock, maps: Doubles, points: Doubles, y: Vector, to: Target, room: Room, part: int, parts: int
) -> None:
    """y = the pictures of real numbers seen through their maps; arguments as `warp_all` says."""
    warp_all(frames, maps, points, y, to, room, part, parts)


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
            u, v, _, _, _, _ = projected(matrix_of(maps, 0), i % columns + 0.5, i // columns + 0.5)
        inside = 0 <= u < size[1] and 0 <= v < size[0]
        index[i] = int(v) * size[1] + int(u) if inside else -1


@helper
def warp_all(
    frames: Clock, maps: Doubles, points: Doubles, y: Vector, to: Target, room: Room, part: int, parts: int
) -> None:
    """The pictures of a part; parts share `room`, so there is a single one.

    frames (N, FRAME); maps (N, MATRIX), or else points (N, rows, columns, 2): the old x and y of each new centre.
    """
    plane = to.rows * to.columns
    for n in range(*span(frames.size // FRAME, part, parts)):
        x = pixels(frames, n, y)
        form = steps_of(frames, n)
        own = points[2 * n * plane : 2 * (n + 1) * plane]
        for r in range(to.rows):
            warp_row(x, form, r, matrix_of(maps, n), own, to, room)
            for c in range(to.channels):
                at = (n * to.channels + c) * plane + r * to.columns
                row, line = y[at : at + to.columns], room.line[c * to.columns : (c + 1) * to.columns]
                for q in range(row.size):
                    row[q] = line[q]


@helper
def steps_of(frames: Clock, n: int) -> Form:
    """Where the values of picture n lie."""
    at = n * FRAME
    height, width, inner = frames[at + 2], frames[at + 3], frames[at + 4]
    return Form(height, width, 1 if frames[at + 1] == 1 else height * width, inner)


@helper
def matrix_of(maps: Doubles, n: int) -> Matrix:
    """The matrix of picture n."""
    m = maps[n * MATRIX : (n + 1) * MATRIX]
    return m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8]


@helper
def projected(m: Matrix, x: float, y: float) -> Seen:
    """The old point (u, v) of a new one, and its derivatives du/dx, dv/dx, du/dy, dv/dy."""
    z = m[6] * x + m[7] * y + m[8]
    if z <= 0:  # behind the eye
        return -1.0, -1.0, 0.0, 0.0, 0.0, 0.0
    near = 1 / z
    u, v = (m[0] * x + m[1] * y + m[2]) * near, (m[3] * x + m[4] * y + m[5]) * near
    ux, vx = (m[0] - u * m[6]) * near, (m[3] - v * m[6]) * near
    return u, v, ux, vx, (m[1] - u * m[7]) * near, (m[4] - v * m[7]) * near


@helper
def differences(points: Doubles, r: int, q: int, rows: int, columns: int) -> Seen:
    """The old point of the new centre (r, q), and its derivatives, as differences of the points beside it."""
    left, right, above, below = max(q - 1, 0), min(q + 1, columns - 1), max(r - 1, 0), min(r + 1, rows - 1)
    here, a, b = 2 * (r * columns + q), 2 * (r * columns + left), 2 * (r * columns + right)
    c, d = 2 * (above * columns + q), 2 * (below * columns + q)
    across, down = 1.0 / max(right - left, 1), 1.0 / max(below - above, 1)
    ux, vx = (points[b] - points[a]) * across, (points[b + 1] - points[a + 1]) * across
    uy, vy = (points[d] - points[c]) * down, (points[d + 1] - points[c + 1]) * down
    return points[here], points[here + 1], ux, vx, uy, vy


@helper
def cells(across: float, down: float) -> int:
    """The cells along one side of a new pixel, which is (across, down) in the old picture."""
    square = across * across + down * down
    if square <= (1 + _LENIENT) ** 2:  # nearly always
        return 1
    return min(MOST_CELLS, math.ceil(math.sqrt(square) - _LENIENT))


@helper
def warp_row(x: Vector, form: Form, r: int, matrix: Matrix, points: Doubles, to: Target, room: Room) -> None:
    """The line of `room` = row r of the result.

    The loop is written out because a call that hands on an array has its references counted, twice the work of a pixel.
    """
    line, place, weight, columns = room.line, room.place, room.weight, to.columns
    line[:] = to.half
    waiting = 0
    for q in range(columns):
        seen = differences(points, r, q, to.rows, columns) if points.size else projected(matrix, q + 0.5, r + 0.5)
        wide, high = cells(seen[2], seen[3]), cells(seen[4], seen[5])
        across, down = 1.0, 1.0  # sides of a cell, as shares of the pixel's
        if wide * high > 1:
            across, down = 1.0 / wide, 1.0 / high
        for j in range(high):
            t = (j + 0.5) * down - 0.5
            for i in range(wide):
                s = (i + 0.5) * across - 0.5
                u, v = seen[0] + s * seen[2] + t * seen[4], seen[1] + s * seen[3] + t * seen[5]
                if not (0 <= u < form.width and 0 <= v < form.height):
                    for c in range(to.channels):
                        line[c * columns + q] += across * down * to.fill[c]
                    continue
                if waiting == POINTS:
                    add_points(x, form, waiting, to, room)
                    waiting = 0
                u, v = min(max(u - 0.5, 0.0), form.width - 1.0), min(max(v - 0.5, 0.0), form.height - 1.0)
                left, top = int(u), int(v)
                p, w = 4 * waiting, 3 * waiting
                place[p], place[p + 1] = q, (top * form.width + left) * form.pixel
                place[p + 2] = form.pixel if left + 1 < form.width else 0
                place[p + 3] = form.width * form.pixel if top + 1 < form.height else 0
                weight[w], weight[w + 1], weight[w + 2] = u - left, v - top, across * down
                waiting += 1
    add_points(x, form, waiting, to, room)


@helper
def add_points(x: Vector, form: Form, waiting: int, to: Target, room: Room) -> None:
    """Add the points that wait in `room` to its line: each the value between four pixels, times its share."""
    real = room.line.dtype.type
    place, weight = room.place, room.weight
    for c in range(to.channels):
        line = room.line[c * to.columns : (c + 1) * to.columns]
        channel = np.uint64(c * form.channel)
        for i in range(waiting):
            p, w = np.uint64(4 * i), np.uint64(3 * i)
            here = np.uint64(place[p + _1]) + channel
            right, below = np.uint64(place[p + _2]), np.uint64(place[p + _3])
            first, third = real(x[here]), real(x[here + below])
            second, fourth = real(x[here + right]), real(x[here + below + right])
            a, b = weight[w], weight[w + _1]
            upper, lower = first + a * (second - first), third + a * (fourth - third)
            line[np.uint64(place[p])] += weight[w + _2] * (upper + b * (lower - upper))
