"""Pooling over windows of one to three axes, in any layout: MAX, AVE, L2, STOCHASTIC, and values put back in place.

x (outer, D, H, W, inner), y (outer, windows, inner), both flat; their planes and windows are those of `Planes`. Windows
are clipped to the plane, and none lies wholly outside it. A place is the position in a plane, (d*H + h)*W + w. A part
owns whole planes, up to BLOCK neighbours of the inner axis at a time, so that windows that overlap may add up in turn.
Sums are taken in float64. Sources: Caffe pooling_layer.cpp and .cu; Zeiler & Fergus 2013, "Stochastic pooling".
"""

from __future__ import annotations

import math

import numpy as np

from netspec.codegen.geometry import Planes, Slide
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Ints, Vector
from netspec.kernels.random import Word, mixed, stream

BLOCK = 16
Box = tuple[int, int, int, int, int, int]
_GOLDEN, _32 = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)


@helper
def bounds(slide: Slide, i: int) -> tuple[int, int]:
    """First pixel of the i-th window of an axis, and one past its last."""
    if slide.stride == 0:
        return i * slide.size // slide.windows, ((i + 1) * slide.size + slide.windows - 1) // slide.windows
    start = i * slide.stride - slide.pad
    return max(start, 0), min(start + slide.kernel, slide.size)


@helper
def reach(planes: Planes, i: int) -> Box:
    """First pixels and those past the last of the i-th window, along depth, rows and columns."""
    wide, tall = planes.columns.windows, planes.rows.windows
    d0, d1 = bounds(planes.depth, i // wide // tall)
    h0, h1 = bounds(planes.rows, i // wide % tall)
    w0, w1 = bounds(planes.columns, i % wide)
    return d0, d1, h0, h1, w0, w1


@helper
def length(slide: Slide, i: int) -> int:
    """The i-th window's share in the divisor of a mean: its padding counts, the overhang beyond that does not."""
    first, last = bounds(slide, i)
    if slide.stride == 0:
        return last - first
    start = i * slide.stride - slide.pad
    return min(start + slide.kernel, slide.size + slide.pad) - start


@helper
def area(planes: Planes, i: int) -> int:
    """The divisor of the i-th window's mean."""
    wide, tall = planes.columns.windows, planes.rows.windows
    rows = length(planes.depth, i // wide // tall) * length(planes.rows, i // wide % tall)
    return rows * length(planes.columns, i % wide)


@helper
def extent(planes: Planes) -> tuple[int, int]:
    """Pixels and windows of a plane."""
    pixels = planes.depth.size * planes.rows.size * planes.columns.size
    return pixels, planes.depth.windows * planes.rows.windows * planes.columns.windows


@helper
def pile(planes: Planes) -> tuple[int, int]:
    """Blocks of neighbouring planes for each of the outer ones, and how many blocks there are in all."""
    blocks = (planes.inner + BLOCK - 1) // BLOCK
    return blocks, blocks * planes.outer


@helper
def corner(planes: Planes, unit: int, blocks: int) -> tuple[int, int, int]:
    """Where a block of planes begins in x and in y, and how many planes it has."""
    pixels, windows = extent(planes)
    outer, c = unit // blocks, unit % blocks * BLOCK
    return outer * pixels * planes.inner + c, outer * windows * planes.inner + c, min(BLOCK, planes.inner - c)


@kernel
def max_places(x: Vector, y: Vector, places: Ints, planes: Planes, part: int, parts: int) -> None:
    """y = the maximum of each window, places (like y) = where it is.

    Of equals the first wins; a NaN beats every number.
    """
    (blocks, units), (_, windows), inner = pile(planes), extent(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, y0, width = corner(planes, unit, blocks)
        for i in range(windows):
            d0, d1, h0, h1, w0, w1 = reach(planes, i)
            at = y0 + i * inner
            first = (d0 * planes.rows.size + h0) * planes.columns.size + w0
            for c in range(width):
                y[at + c] = x[x0 + first * inner + c]
                places[at + c] = first
            for d in range(d0, d1):
                for h in range(h0, h1):
                    for w in range(w0, w1):
                        place = (d * planes.rows.size + h) * planes.columns.size + w
                        for c in range(width):
                            value = x[x0 + place * inner + c]
                            if value > y[at + c] or value != value:
                                y[at + c] = value
                                places[at + c] = place


@kernel
def places_top(places: Ints, top: Vector, part: int, parts: int) -> None:
    """top (M,) = the places as real numbers."""
    for i in range(*span(top.size, part, parts)):
        top[i] = places[i]


@kernel
def read_places(mask: Vector, places: Ints, planes: Planes, part: int, parts: int) -> None:
    """places (M,) = real numbers as places of a plane of x; -1 for what is no place."""
    pixels = extent(planes)[0]
    for i in range(*span(mask.size, part, parts)):
        value = mask[i]
        good = value >= 0 and value < pixels and value == math.floor(value)
        places[i] = np.int32(value) if good else -1


@kernel
def put_places(y: Vector, places: Ints, x: Vector, planes: Planes, add: int, part: int, parts: int) -> None:
    """x = at each place the sum of those y that chose it, 0 where none did; with `add` 1 added to what x holds.

    A place of -1 makes the plane's first value NaN.
    """
    (blocks, units), (pixels, windows), inner = pile(planes), extent(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, y0, width = corner(planes, unit, blocks)
        if add == 0:
            clear(x, x0, pixels, inner, width)
        for i in range(windows):
            for c in range(width):
                place = places[y0 + i * inner + c]
                if place >= 0:
                    x[x0 + place * inner + c] += y[y0 + i * inner + c]
                else:
                    x[x0 + c] = math.nan


@kernel
def take_places(x: Vector, places: Ints, y: Vector, planes: Planes, part: int, parts: int) -> None:
    """y = the value of x at each place; NaN for a place of -1."""
    (blocks, units), (_, windows), inner = pile(planes), extent(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, y0, width = corner(planes, unit, blocks)
        for i in range(windows):
            for c in range(width):
                place = places[y0 + i * inner + c]
                y[y0 + i * inner + c] = x[x0 + place * inner + c] if place >= 0 else math.nan


@helper
def clear(x: Vector, x0: int, pixels: int, inner: int, width: int) -> None:
    """A block of planes = 0."""
    for p in range(pixels):
        for c in range(width):
            x[x0 + p * inner + c] = 0


@helper
def power_sum(x: Vector, x0: int, planes: Planes, box: Box, square: int) -> float:
    """The sum of a window of the plane that begins at x0, or of its squares, in float64."""
    d0, d1, h0, h1, w0, w1 = box
    total = 0.0
    for d in range(d0, d1):
        for h in range(h0, h1):
            line = x0 + (d * planes.rows.size + h) * planes.columns.size * planes.inner
            for w in range(w0, w1):
                value = np.float64(x[line + w * planes.inner])
                total += value * value if square else value
    return total


@kernel
def mean(x: Vector, y: Vector, planes: Planes, part: int, parts: int) -> None:
    """y = the sum of each window over its area."""
    (blocks, units), (_, windows), inner = pile(planes), extent(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, y0, width = corner(planes, unit, blocks)
        for i in range(windows):
            box, divisor = reach(planes, i), area(planes, i)
            for c in range(width):
                y[y0 + i * inner + c] = power_sum(x, x0 + c, planes, box, 0) / divisor


@kernel
def l2(x: Vector, y: Vector, planes: Planes, part: int, parts: int) -> None:
    """y = the square root of the sum of each window's squares."""
    (blocks, units), (_, windows), inner = pile(planes), extent(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, y0, width = corner(planes, unit, blocks)
        for i in range(windows):
            box = reach(planes, i)
            for c in range(width):
                y[y0 + i * inner + c] = math.sqrt(power_sum(x, x0 + c, planes, box, 1))


@kernel
def expected(x: Vector, y: Vector, planes: Planes, part: int, parts: int) -> None:
    """y = the sum of each window's squares over the sum of its values, the mean of a draw; 0 unless the sum is > 0."""
    (blocks, units), (_, windows), inner = pile(planes), extent(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, y0, width = corner(planes, unit, blocks)
        for i in range(windows):
            box = reach(planes, i)
            for c in range(width):
                total = power_sum(x, x0 + c, planes, box, 0)
                squares = power_sum(x, x0 + c, planes, box, 1)
                y[y0 + i * inner + c] = 0 if total <= 0 else squares / total


@helper
def spread(x: Vector, dx: Vector, x0: int, planes: Planes, box: Box, slope: float, offset: float) -> None:
    """dx += slope * x + offset for the values of a window of the plane that begins at x0."""
    d0, d1, h0, h1, w0, w1 = box
    for d in range(d0, d1):
        for h in range(h0, h1):
            line = x0 + (d * planes.rows.size + h) * planes.columns.size * planes.inner
            for w in range(w0, w1):
                at = line + w * planes.inner
                dx[at] += slope * x[at] + offset


@kernel
def mean_backward(dy: Vector, dx: Vector, planes: Planes, add: int, part: int, parts: int) -> None:
    """dx = dy over the area of each window, added up where windows overlap, and with `add` 1 to what dx holds."""
    (blocks, units), (pixels, windows), inner = pile(planes), extent(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, y0, width = corner(planes, unit, blocks)
        if add == 0:
            clear(dx, x0, pixels, inner, width)
        for i in range(windows):
            d0, d1, h0, h1, w0, w1 = reach(planes, i)
            divisor = area(planes, i)
            for d in range(d0, d1):
                for h in range(h0, h1):
                    for w in range(w0, w1):
                        at = x0 + ((d * planes.rows.size + h) * planes.columns.size + w) * inner
                        for c in range(width):
                            dx[at + c] += dy[y0 + i * inner + c] / divisor


@kernel
def l2_backward(x: Vector, y: Vector, dy: Vector, dx: Vector, planes: Planes, part: int, parts: int) -> None:
    """dx = dy * x / y, added up where windows overlap; 0 from a window whose y is 0."""
    (blocks, units), (pixels, windows), inner = pile(planes), extent(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, y0, width = corner(planes, unit, blocks)
        clear(dx, x0, pixels, inner, width)
        for i in range(windows):
            box = reach(planes, i)
            for c in range(width):
                at = y0 + i * inner + c
                if y[at] != 0:
                    spread(x, dx, x0 + c, planes, box, np.float64(dy[at]) / y[at], 0.0)


@kernel
def expected_backward(x: Vector, dy: Vector, dx: Vector, planes: Planes, part: int, parts: int) -> None:
    """dx = dy * (2 x - y) / the window's sum, added up where windows overlap; 0 from a window whose sum is not > 0."""
    (blocks, units), (pixels, windows), inner = pile(planes), extent(planes), planes.inner
    for unit in range(*span(units, part, parts)):
        x0, y0, width = corner(planes, unit, blocks)
        clear(dx, x0, pixels, inner, width)
        for i in range(windows):
            box = reach(planes, i)
            for c in range(width):
                total = power_sum(x, x0 + c, planes, box, 0)
                if not total <= 0:
                    mass = power_sum(x, x0 + c, planes, box, 1)
                    slope = np.float64(dy[y0 + i * inner + c]) / total
                    spread(x, dx, x0 + c, planes, box, 2 * slope, -slope * (mass / total))


@helper
def drawn(x: Vector, x0: int, planes: Planes, box: Box, word: Word) -> int:
    """The place of the value that 32 random bits choose from a window of the plane that begins at x0.

    It is the first at which the running sum reaches that share of the whole; the last where none does.
    """
    d0, d1, h0, h1, w0, w1 = box
    share = (np.float64(word) + 1.0) / 4294967296.0 * power_sum(x, x0, planes, box, 0)
    total = 0.0
    place = 0
    for d in range(d0, d1):
        for h in range(h0, h1):
            for w in range(w0, w1):
                place = (d * planes.rows.size + h) * planes.columns.size + w
                total += np.float64(x[x0 + place * planes.inner])
                if total >= share:
                    return place
    return place


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
        for i in range(windows):
            box = reach(planes, i)
            for c in range(width):
                index = (plane + c) * windows + i
                word = mixed(key + np.uint64(index + 1) * _GOLDEN) >> _32
                place = drawn(x, x0 + c, planes, box, word)
                places[y0 + i * inner + c] = place
                y[y0 + i * inner + c] = x[x0 + place * inner + c]
