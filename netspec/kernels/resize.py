"""Resizing of axis-aligned boxes: each new pixel a weighted sum of old ones, columns and rows apart.

The new column q has its centre at u = a (q + 1/2) + b in the old picture. Old pixels around it weigh as a triangle that
is as wide as two new pixels, or two old ones where those are larger: max(0, 1 - |i + 1/2 - u| / max(|a|, 1)), over
their sum in the picture. A centre outside the picture gets the fill. With a negative a, sides are exchanged.
A move by whole pixels copies. Source: what Pillow computes for a resize with a `box`, but rounded once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Bytes, Clock, Doubles, Vector
from netspec.kernels.pictures import FRAME, Target, pixels

BOX = 4
"""Numbers of a box: a and b of the rows, a and b of the columns."""


class Taps(NamedTuple):
    """Room for the old pixels that new ones are made of.

    The columns come first, each with `most` weights; then there is a row's.
    """

    most: int
    place: Clock  # of each column, the first old one and their number
    weight: Vector
    line: Vector  # a new row of all channels, in old columns


@kernel
def resize_bytes(frames: Clock, boxes: Doubles, y: Bytes, to: Target, taps: Taps, part: int, parts: int) -> None:
    """y = the boxes of all pictures, rounded, halves upwards; frames (N, FRAME), boxes (N, BOX)."""
    resize_all(frames, boxes, y, to, taps, part, parts)


@kernel
def resize_reals(frames: Clock, boxes: Doubles, y: Vector, to: Target, taps: Taps, part: int, parts: int) -> None:
    """y = the boxes of all pictures of real numbers; frames (N, FRAME), boxes (N, BOX)."""
    resize_all(frames, boxes, y, to, taps, part, parts)


@helper
def resize_all(frames: Clock, boxes: Doubles, y: Vector, to: Target, taps: Taps, part: int, parts: int) -> None:
    """The pictures of a part; parts share `taps`, so there is a single one."""
    size = to.channels * to.rows * to.columns
    for n in range(*span(frames.size // FRAME, part, parts)):
        x = pixels(frames, n, y)
        form = frames[n * FRAME + 1 : n * FRAME + FRAME]
        planes, height, width, inner = form[0], form[1], form[2], form[3]
        low, high = columns_of(boxes[n * BOX + 2], boxes[n * BOX + 3], width, to.columns, taps)
        count = (high - low) * inner
        at = to.columns * taps.most
        for r in range(to.rows):
            first, number = weigh(boxes[n * BOX], boxes[n * BOX + 1], r, height, taps.weight, at)
            start = n * size + r * to.columns
            if number == 0 or count <= 0:
                for c in range(to.channels):
                    begin = start + c * to.rows * to.columns
                    y[begin : begin + to.columns] = to.fill[c] + to.half
                continue
            for p in range(planes):
                for k in range(number):
                    from_ = ((p * height + first + k) * width + low) * inner
                    line = taps.line[p * count : (p + 1) * count]
                    add_row(x[from_ : from_ + count], taps.weight[at + k], line, k == 0)
            if inner == 3:
                write_three(y, start, to, taps, low)
                continue
            for c in range(to.channels):
                line = taps.line[c % inner + c // inner * count :]
                write_one(y, start + c * to.rows * to.columns, to, c, taps, low, inner, line)


@helper
def weigh(a: float, b: float, q: int, size: int, weight: Vector, at: int) -> tuple[int, int]:
    """The first old pixel of the new one q, and how many there are, with their weights from `at` on; 0 outside."""
    centre = a * (q + 0.5) + b
    if not 0 <= centre < size:
        return 0, 0
    reach = max(abs(a), 1.0)
    first, last = max(0, int(centre - reach + 0.5)), min(size, int(centre + reach + 0.5))
    while first < last - 1 and abs(first + 0.5 - centre) >= reach:
        first += 1
    while first < last - 1 and abs(last - 0.5 - centre) >= reach:
        last -= 1
    total = 0.0
    for i in range(first, last):
        total += max(0.0, 1 - abs(i + 0.5 - centre) / reach)
    for i in range(first, last):
        weight[at + i - first] = max(0.0, 1 - abs(i + 0.5 - centre) / reach) / total
    return first, last - first


@helper
def columns_of(a: float, b: float, width: int, columns: int, taps: Taps) -> tuple[int, int]:
    """Write the taps of all columns; returns the first old column that is needed, and one past the last."""
    low, high = width, 0
    for q in range(columns):
        first, number = weigh(a, b, q, width, taps.weight, q * taps.most)
        taps.place[2 * q], taps.place[2 * q + 1] = first, number
        if number:
            low, high = min(low, first), max(high, first + number)
    return low, high


@helper
def add_row(x: Vector, weight: float, line: Vector, new: bool) -> None:
    """line (+)= weight * x; a `new` line is written, any other added to."""
    real = line.dtype.type
    if new:
        for i in range(line.size):
            line[i] = weight * real(x[i])
    else:
        for i in range(line.size):
            line[i] += weight * real(x[i])


@helper
def write_one(y: Vector, at: int, to: Target, c: int, taps: Taps, low: int, inner: int, line: Vector) -> None:
    """A row of channel c, from y[at] on; its values in the line are `inner` apart."""
    place, weights = taps.place, taps.weight
    real = line.dtype.type
    fill = real(to.fill[c])
    for q in range(to.columns):
        first, number = place[2 * q], place[2 * q + 1]
        total = real(0) if number else fill
        i, w = np.uint64((first - low) * inner), np.uint64(q * taps.most)
        for _ in range(number):
            total += weights[w] * line[i]
            i += np.uint64(inner)
            w += np.uint64(1)
        y[np.uint64(at + q)] = total + to.half


@helper
def write_three(y: Vector, at: int, to: Target, taps: Taps, low: int) -> None:
    """A row of three channels that lie innermost, from y[at] on."""
    line, place, weights = taps.line, taps.place, taps.weight
    real, plane = line.dtype.type, to.rows * to.columns
    one, two, three = np.uint64(1), np.uint64(2), np.uint64(3)
    fill = real(to.fill[0]), real(to.fill[1]), real(to.fill[2])
    for q in range(to.columns):
        first, number = place[2 * q], place[2 * q + 1]
        r, g, b = fill
        if number:
            i, w = np.uint64((first - low) * 3), np.uint64(q * taps.most)
            weight = weights[w]
            r, g, b = weight * line[i], weight * line[i + one], weight * line[i + two]
            for _ in range(1, number):
                i += three
                w += one
                weight = weights[w]
                r += weight * line[i]
                g += weight * line[i + one]
                b += weight * line[i + two]
        j = np.uint64(at + q)
        y[j], y[j + np.uint64(plane)], y[j + np.uint64(2 * plane)] = r + to.half, g + to.half, b + to.half
