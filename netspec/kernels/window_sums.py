"""Windows over planes, as in windows.py, whose values are added up: AVE, L2 and STOCHASTIC pooling.

Sums of a window are taken in float64. Source: Caffe pooling_layer.cpp, pooling_layer.cu; Zeiler & Fergus 2013,
"Stochastic pooling".
"""

from __future__ import annotations

import math

import numpy as np

from netspec.codegen.geometry import Planes, Slide
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Ints, Vector
from netspec.codegen.rows import Row, Variable, Whole, rows, times
from netspec.kernels.random import Word, mixed, stream
from netspec.kernels.windows import BLOCK, Box, bounds, clear, corner, extent, pile, reach

_GOLDEN, _32 = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)


@helper
def length(slide: Slide, i: int) -> int:
    """The i-th window's share in the divisor of a mean: its padding counts, the overhang beyond that does not."""
    if slide.stride == 0:
        return bounds(slide, i)[1]
    start = i * slide.stride - slide.pad
    return min(start + slide.kernel, slide.size + slide.pad) - start


@helper
def area(planes: Planes, i: int, j: int, k: int) -> int:
    """The divisor of the mean of window (i, j, k)."""
    return length(planes.depth, i) * length(planes.rows, j) * length(planes.columns, k)


@rows(again=True)
def sum_row(x: Row, y: Row, box: Box, divisor: Whole) -> None:
    """y = the sums of the windows of neighbouring planes over `divisor`."""
    total = Variable(x.fill(0).double())
    for d in times(box.deep):
        for h in times(box.tall):
            for w in times(box.wide):
                value = x.get(d * box.deeper + h * box.down + w * box.right).double()
                total.set(total.get() + value)
    y.put((total.get() * divisor.share().spread(total.get())).to(y))


@rows(again=True)
def length_row(x: Row, y: Row, box: Box) -> None:
    """y = the square roots of the sums of squares of the windows of neighbouring planes."""
    total = Variable(x.fill(0).double())
    for d in times(box.deep):
        for h in times(box.tall):
            for w in times(box.wide):
                value = x.get(d * box.deeper + h * box.down + w * box.right).double()
                total.set(total.get() + value * value)
    y.put(total.get().sqrt().to(y))


@rows()
def add_row(dy: Row, dx: Row, box: Box, divisor: Whole) -> None:
    """dx += dy / `divisor` for the values of the windows of neighbouring planes."""
    value = dy.get() * divisor.share().spread(dy)
    for d in times(box.deep):
        for h in times(box.tall):
            for w in times(box.wide):
                at = d * box.deeper + h * box.down + w * box.right
                dx.put(dx.get(at) + value, at)


@rows()
def slope_row(x: Row, y: Row, dy: Row, dx: Row, box: Box) -> None:
    """dx += dy * x / y for the values of the windows of neighbouring planes, where y is not 0."""
    value, zero = dy.get() / y.get(), y.get().equals(0)
    slope = value.cleared(zero)
    for d in times(box.deep):
        for h in times(box.tall):
            for w in times(box.wide):
                at = d * box.deeper + h * box.down + w * box.right
                dx.put(dx.get(at) + slope * x.get(at), at)


@helper
def power_sum(x: Vector, at: int, box: Box, square: int) -> float:
    """The sum of a window that begins at `at`, or of its squares, in float64."""
    total = 0.0
    for d in range(box.deep):
        for h in range(box.tall):
            for w in range(box.wide):
                value = np.float64(x[at + d * box.deeper + h * box.down + w * box.right])
                total += value * value if square else value
    return total


@kernel
def mean(x: Vector, y: Vector, planes: Planes, part: int, parts: int) -> None:
    """y = the sum of each window over its area."""
    (blocks, units), inner = pile(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, at, width = corner(planes, unit, blocks)
        for i in range(planes.depth.windows):
            for j in range(planes.rows.windows):
                for k in range(planes.columns.windows):
                    first, box = reach(planes, i, j, k)
                    divisor = area(planes, i, j, k)
                    if width == 1:
                        y[at] = power_sum(x, x0 + first * inner, box, 0) / divisor
                    else:
                        sum_row(width, x, x0 + first * inner, y, at, box, divisor)
                    at += inner


@kernel
def l2(x: Vector, y: Vector, planes: Planes, part: int, parts: int) -> None:
    """y = the square root of the sum of each window's squares."""
    (blocks, units), inner = pile(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, at, width = corner(planes, unit, blocks)
        for i in range(planes.depth.windows):
            for j in range(planes.rows.windows):
                for k in range(planes.columns.windows):
                    first, box = reach(planes, i, j, k)
                    if width == 1:
                        y[at] = math.sqrt(power_sum(x, x0 + first * inner, box, 1))
                    else:
                        length_row(width, x, x0 + first * inner, y, at, box)
                    at += inner


@kernel
def expected(x: Vector, y: Vector, planes: Planes, part: int, parts: int) -> None:
    """y = the sum of each window's squares over the sum of its values, the mean of a draw; 0 unless the sum is > 0."""
    (blocks, units), inner = pile(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, at, width = corner(planes, unit, blocks)
        for i in range(planes.depth.windows):
            for j in range(planes.rows.windows):
                for k in range(planes.columns.windows):
                    first, box = reach(planes, i, j, k)
                    for c in range(width):
                        total = power_sum(x, x0 + first * inner + c, box, 0)
                        squares = power_sum(x, x0 + first * inner + c, box, 1)
                        y[at + c] = 0 if total <= 0 else squares / total
                    at += inner


@helper
def spread(x: Vector, dx: Vector, at: int, box: Box, slope: float, offset: float) -> None:
    """dx += slope * x + offset for the values of a window that begins at `at`."""
    for d in range(box.deep):
        for h in range(box.tall):
            for w in range(box.wide):
                place = at + d * box.deeper + h * box.down + w * box.right
                dx[place] += slope * x[place] + offset


@helper
def add_all(dx: Vector, at: int, box: Box, amount: float) -> None:
    """dx += amount for the values of a window that begins at `at`."""
    for d in range(box.deep):
        for h in range(box.tall):
            for w in range(box.wide):
                dx[at + d * box.deeper + h * box.down + w * box.right] += amount


@kernel
def mean_backward(dy: Vector, dx: Vector, planes: Planes, add: int, part: int, parts: int) -> None:
    """dx = dy over the area of each window, added up where windows overlap, and with `add` 1 to what dx holds."""
    (blocks, units), (pixels, _), inner = pile(planes), extent(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, at, width = corner(planes, unit, blocks)
        if add == 0:
            clear(dx, x0, pixels, inner, width)
        for i in range(planes.depth.windows):
            for j in range(planes.rows.windows):
                for k in range(planes.columns.windows):
                    first, box = reach(planes, i, j, k)
                    divisor = area(planes, i, j, k)
                    if width == 1:
                        add_all(dx, x0 + first * inner, box, np.float64(dy[at]) / divisor)
                    else:
                        add_row(width, dy, at, dx, x0 + first * inner, box, divisor)
                    at += inner


@kernel
def l2_backward(x: Vector, y: Vector, dy: Vector, dx: Vector, planes: Planes, part: int, parts: int) -> None:
    """dx = dy * x / y, added up where windows overlap; 0 from a window whose y is 0."""
    (blocks, units), (pixels, _), inner = pile(planes), extent(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, at, width = corner(planes, unit, blocks)
        clear(dx, x0, pixels, inner, width)
        for i in range(planes.depth.windows):
            for j in range(planes.rows.windows):
                for k in range(planes.columns.windows):
                    first, box = reach(planes, i, j, k)
                    to = x0 + first * inner
                    if width > 1:
                        slope_row(width, x, to, y, at, dy, at, dx, to, box)
                    elif y[at] != 0:
                        spread(x, dx, to, box, np.float64(dy[at]) / y[at], 0.0)
                    at += inner


@kernel
def expected_backward(x: Vector, dy: Vector, dx: Vector, planes: Planes, part: int, parts: int) -> None:
    """dx = dy * (2 x - y) / the window's sum, added up where windows overlap; 0 from a window whose sum is not > 0."""
    (blocks, units), (pixels, _), inner = pile(planes), extent(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, at, width = corner(planes, unit, blocks)
        clear(dx, x0, pixels, inner, width)
        for i in range(planes.depth.windows):
            for j in range(planes.rows.windows):
                for k in range(planes.columns.windows):
                    first, box = reach(planes, i, j, k)
                    for c in range(width):
                        to = x0 + first * inner + c
                        total = power_sum(x, to, box, 0)
                        if not total <= 0:
                            slope = np.float64(dy[at + c]) / total
                            spread(x, dx, to, box, 2 * slope, -slope * (power_sum(x, to, box, 1) / total))
                    at += inner


@helper
def drawn(x: Vector, at: int, box: Box, word: Word) -> int:
    """How far behind `at`, where a window begins, the value lies that 32 random bits choose from it.

    It is the first at which the running sum reaches that share of the whole; the last where none does.
    """
    share = (np.float64(word) + 1.0) / 4294967296.0 * power_sum(x, at, box, 0)
    total = 0.0
    far = 0
    for d in range(box.deep):
        for h in range(box.tall):
            for w in range(box.wide):
                far = d * box.deeper + h * box.down + w * box.right
                total += np.float64(x[at + far])
                if total >= share:
                    return int(far)
    return int(far)


@kernel
def draw_places(
    x: Vector, y: Vector, places: Ints, planes: Planes, clock: Clock, seed: int, part: int, parts: int
) -> None:
    """y = one value of each window, drawn with a chance in proportion to it; places (like y) = where it is.

    The bits are the upper ones of mixed(key + (index + 1) * golden), where the index counts the windows plane by plane.
    """
    (blocks, units), (_, windows), inner = pile(planes), extent(planes), planes.inner
    key = stream(seed, clock)
    for unit in range(*span(units, part, parts)):
        x0, y0, width = corner(planes, unit, blocks)
        plane = unit // blocks * inner + unit % blocks * BLOCK
        at = y0
        for i in range(planes.depth.windows):
            for j in range(planes.rows.windows):
                for k in range(planes.columns.windows):
                    first, box = reach(planes, i, j, k)
                    for c in range(width):
                        index = (plane + c) * windows + (at - y0) // inner
                        word = mixed(key + np.uint64(index + 1) * _GOLDEN) >> _32
                        begin = x0 + first * inner + c
                        far = drawn(x, begin, box, word)
                        places[at + c] = first + far // inner
                        y[at + c] = x[begin + far]
                    at += inner
