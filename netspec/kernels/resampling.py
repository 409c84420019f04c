"""Axes made anew, each value a weighted sum of old ones, for up to three axes at once.

x (outer, D, H, W, inner), y (outer, D', H', W', inner), both flat; `Taps` say what each new position is made of. A part
owns whole rows of y, (W', inner). It first sums the rows of x that a row of y is made of into its line of `lines`
(parts, W * inner), then columns of that line. Both directions use this: the gradient's taps are the transposed ones.
"""

from __future__ import annotations

import numpy as np

from netspec.codegen.geometry import Solid, Taps
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Matrix, Vector
from netspec.codegen.rows import Real, Row, rows
from netspec.kernels.copy import move

NARROW = 4
"""With fewer values of the inner axis than NARROW, and uneven taps, values are summed one by one."""
UNIT = 2.0**-52
"""The unit that weights are counted in."""


@rows(group=2)
def scaled(x: Row, y: Row, a: Real) -> None:
    """y = a * x."""
    y.put(a * x.get())


@rows(group=2)
def scaled_two(x: Row, z: Row, y: Row, a: Real, b: Real) -> None:
    """y = a * x + b * z."""
    y.put(a * x.get() + b * z.get())


@rows(group=2)
def scaled_more(x: Row, y: Row, a: Real) -> None:
    """y += a * x."""
    y.put(a * x.get() + y.get())


@rows(group=2)
def scaled_two_more(x: Row, z: Row, y: Row, a: Real, b: Real) -> None:
    """y += a * x + b * z."""
    y.put(a * x.get() + (b * z.get() + y.get()))


@kernel
def weigh(units: Clock, weights: Vector, part: int, parts: int) -> None:
    """weights (M,) = whole numbers of units as real numbers."""
    for i in range(*span(weights.size, part, parts)):
        weights[i] = units[i] * UNIT


@kernel
def resample(
    x: Vector, y: Vector, lines: Matrix, old: Solid, depth: Taps, rows: Taps, columns: Taps, part: int, parts: int
) -> None:
    """y = the sums of x that the taps of the three axes say."""
    deep, tall, wide = depth.begin.size - 1, rows.begin.size - 1, columns.begin.size - 1
    width = old.columns * old.inner
    line = lines[part]
    for row in range(*span(old.outer * deep * tall, part, parts)):
        i, j, to = row // tall % deep, row % tall, row * wide * old.inner
        image = row // tall // deep * old.depth
        d0, d1, h0, h1 = depth.begin[i], depth.begin[i + 1], rows.begin[j], rows.begin[j + 1]
        if d1 - d0 == 1 and h1 - h0 == 1 and depth.weight[d0] * rows.weight[h0] == 1:
            stretch(x, ((image + depth.place[d0]) * old.rows + rows.place[h0]) * width, y, to, old, columns)
            continue
        if d1 == d0 or h1 == h0:
            y[to : to + wide * old.inner] = 0
            continue
        for d in range(d0, d1):
            plane = (image + depth.place[d]) * old.rows
            for h in range(h0, h1):
                a = depth.weight[d] * rows.weight[h]
                if d == d0 and h == h0:
                    scaled(width, x, (plane + rows.place[h]) * width, line, 0, a)
                else:
                    scaled_more(width, x, (plane + rows.place[h]) * width, line, 0, a)
        stretch(line, 0, y, to, old, columns)


@helper
def stretch(x: Vector, x0: int, y: Vector, y0: int, old: Solid, columns: Taps) -> None:
    """A row of y from y0 on = the sums of columns of the row of x from x0 on."""
    wide, inner = columns.begin.size - 1, old.inner
    if old.even:
        pick_all(x[x0 : x0 + old.columns], y[y0 : y0 + wide], old.even, columns.place, columns.weight)
        return
    if old.run:
        move(old.run * inner, x, x0 + old.of * inner, y, y0 + old.to * inner)
        add_columns(x, x0, y, y0, inner, columns, 0, old.to)
        add_columns(x, x0, y, y0, inner, columns, old.to + old.run, wide)
    else:
        add_columns(x, x0, y, y0, inner, columns, 0, wide)


@helper
def add_columns(x: Vector, x0: int, y: Vector, y0: int, inner: int, columns: Taps, begin: int, end: int) -> None:
    """The columns of y from `begin` to `end`, each the sum of its taps."""
    for q in range(begin, end):
        first, last = columns.begin[q], columns.begin[q + 1]
        if inner >= NARROW and last > first:
            join(x, x0, y, y0 + q * inner, inner, columns, first, last)
        else:
            for c in range(inner):
                total = x.dtype.type(0)
                for t in range(first, last):
                    total += columns.weight[t] * x[x0 + columns.place[t] * inner + c]
                y[y0 + q * inner + c] = total


@helper
def pick_all(x: Vector, y: Vector, taps: int, place: Clock, weight: Vector) -> None:
    """y (W') = the sums of the first, second, ... taps of all columns, two at a time; x: (W,)."""
    n = y.size
    if taps == 1:
        for q in range(n):
            y[q] = weight[q] * x[np.uint64(place[q])]
        return
    p, r, v, w = place[:n], place[n : 2 * n], weight[:n], weight[n : 2 * n]
    for q in range(n):
        y[q] = v[q] * x[np.uint64(p[q])] + w[q] * x[np.uint64(r[q])]
    for t in range(2, taps, 2):
        first, second = t * n, (t + 1) * n
        p, r = place[first : first + n], place[second : second + n]
        v, w = weight[first : first + n], weight[second : second + n]
        for q in range(n):
            y[q] += v[q] * x[np.uint64(p[q])] + w[q] * x[np.uint64(r[q])]


@helper
def join(x: Vector, x0: int, y: Vector, to: int, inner: int, columns: Taps, first: int, last: int) -> None:
    """One column of y = the sum of the taps from `first` on, at least one, two at a time."""
    place, weight = columns.place, columns.weight
    t = first + 2 - (last - first) % 2
    if t == first + 1:
        scaled(inner, x, x0 + place[first] * inner, y, to, weight[first])
    else:
        a, b = x0 + place[first] * inner, x0 + place[first + 1] * inner
        scaled_two(inner, x, a, x, b, y, to, weight[first], weight[first + 1])
    while t < last:
        a, b = x0 + place[t] * inner, x0 + place[t + 1] * inner
        scaled_two_more(inner, x, a, x, b, y, to, weight[t], weight[t + 1])
        t += 2
