"""Windows over planes of one to three axes, in any layout: maxima, and values put back to their places.

x (outer, D, H, W, inner), y (outer, windows, inner), both flat; their planes and windows are those of `Planes`. Windows
are clipped to the plane, and none lies wholly outside it. A place is the position in a plane, (d*H + h)*W + w. A part
owns whole planes, up to BLOCK neighbours of the inner axis at a time, so that windows that overlap may add up in turn.
Source: Caffe pooling_layer.cpp.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from netspec.codegen.geometry import Planes, Slide
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Ints, Vector
from netspec.codegen.rows import Row, Variable, Whole, rows, times

BLOCK = 64
_GOLDEN, _32 = np.uint64(0x9E3779B97F4A7C15), np.uint64(32)


class Box(NamedTuple):
    """The pixels of a window: how many along each axis, and the steps in an array from one to the next.

    Whole numbers, in kernels and in the bodies of `rows`.
    """

    deep: Any
    tall: Any
    wide: Any
    deeper: Any
    down: Any
    right: Any


@helper
def bounds(slide: Slide, i: int) -> tuple[int, int]:
    """First pixel of the i-th window of an axis, and how many it has."""
    if slide.stride == 0:
        first = i * slide.size // slide.windows
        return first, ((i + 1) * slide.size + slide.windows - 1) // slide.windows - first
    start = i * slide.stride - slide.pad
    first = max(start, 0)
    return first, min(start + slide.kernel, slide.size) - first


@helper
def reach(planes: Planes, i: int, j: int, k: int) -> tuple[int, Box]:
    """The place of the first pixel of window (i, j, k), and its pixels."""
    d, deep = bounds(planes.depth, i)
    h, tall = bounds(planes.rows, j)
    w, wide = bounds(planes.columns, k)
    columns, inner = planes.columns.size, planes.inner
    box = Box(deep, tall, wide, planes.rows.size * columns * inner, columns * inner, inner)
    return (d * planes.rows.size + h) * columns + w, box


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


@helper
def largest(x: Vector, at: int, box: Box) -> tuple[float, int]:
    """The maximum of a window that begins at `at`, the first of equals or the last NaN; and how far behind it is."""
    best, far = x[at], 0
    for d in range(box.deep):
        for h in range(box.tall):
            for w in range(box.wide):
                step = d * box.deeper + h * box.down + w * box.right
                value = x[at + step]
                if value > best or value != value:
                    best, far = value, step
    return best, far


@rows(again=True)
def largest_row(x: Row, y: Row, places: Row, box: Box, first: Whole, columns: Whole, plane: Whole) -> None:
    """y = the maxima of the windows of neighbouring planes, places = where they are; `first` is the first pixel."""
    best, place = Variable(x.get()), Variable(first.spread(places))
    for d in times(box.deep):
        for h in times(box.tall):
            for w in times(box.wide):
                value, now = x.get(d * box.deeper + h * box.down + w * box.right), best.get()
                more = (value > now) | value.is_nan()
                best.set(value.where(more, now))
                at = first + d * plane + h * columns + w
                place.set(at.spread(places).where(more, place.get()))
    y.put(best.get())
    places.put(place.get())


@kernel
def max_places(x: Vector, y: Vector, places: Ints, planes: Planes, part: int, parts: int) -> None:
    """y = the maximum of each window, places (like y) = where it is.

    Of equals the first wins; a NaN beats every number.
    """
    (blocks, units), inner, columns = pile(planes), planes.inner, planes.columns.size
    plane = planes.rows.size * columns
    for unit in range(*span(units, part, parts)):
        x0, at, width = corner(planes, unit, blocks)
        for i in range(planes.depth.windows):
            for j in range(planes.rows.windows):
                for k in range(planes.columns.windows):
                    first, box = reach(planes, i, j, k)
                    if width == 1:
                        y[at], far = largest(x, x0 + first * inner, box)
                        places[at] = first + far // inner
                    else:
                        largest_row(width, x, x0 + first * inner, y, at, places, at, box, first, columns, plane)
                    at += inner


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
