"""Choosing values: the largest along an axis, and items by their index."""

from __future__ import annotations

import math

from netspec.codegen.greatest import greatest
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Array3, Doubles, Ints, Matrix, Vector
from netspec.codegen.rows import Row, Variable, Whole, rows, times
from netspec.kernels.loss import is_class

CHUNK = 4096
"""Values of an item that are one unit of work: several threads may share a long item."""


@helper
def _before(a: float, i: int, b: float, j: int) -> bool:
    """Whether value a with index i is ranked before b with index j: NaN first, then by size, then by index."""
    if a != a or b != b:
        return a != a and (b == b or i > j)
    return a > b or (a == b and i > j)


@helper
def first_place(x: Vector, value: float) -> int:
    """The first place of x that holds the value, which may be NaN; the size of x where none does."""
    place = x.size
    if value == value:
        for i in range(x.size):
            place = min(place, i if x[i] == value else x.size)
    else:
        for i in range(x.size):
            place = min(place, i if x[i] != x[i] else x.size)
    return place


@helper
def last_place(x: Vector, value: float) -> int:
    """The last place of x that holds the value, which may be NaN; -1 where none does."""
    place = -1
    if value == value:
        for i in range(x.size):
            place = max(place, i if x[i] == value else -1)
    else:
        for i in range(x.size):
            place = max(place, i if x[i] != x[i] else -1)
    return place


@rows()
def value_down(x: Row, y: Row, number: Whole, width: Whole) -> None:
    """y = the largest of a number of rows, column by column; NaN where one is NaN."""
    best = Variable(x.get())
    for d in times(number):
        value = x.get(d * width)
        best.set(value.where((value >= best.get()) | value.is_nan(), best.get()))
    y.put(best.get())


@rows()
def place_down(x: Row, y: Row, number: Whole, width: Whole) -> None:
    """y = the row of the largest, the last of equals, column by column; the last NaN is largest of all."""
    best, place = Variable(x.get()), Variable(y.fill(0))
    for d in times(number):
        value = x.get(d * width)
        more = (value >= best.get()) | value.is_nan()
        best.set(value.where(more, best.get()))
        place.set(d.spread(y).where(more, place.get()))
    y.put(place.get())


@helper
def largest_down(x: Array3, y: Array3, index_row: int, value_row: int, first: int, last: int) -> None:
    """The largest of the D values at the positions from `first` to `last`, which lie side by side."""
    (_, size, inner), flat, tops = x.shape, x.reshape(x.size), y.reshape(y.size)
    while first < last:
        o, i = first // inner, first % inner
        number, at, to = min(inner - i, last - first), o * size * inner + i, o * y.shape[1] * inner + i
        if index_row >= 0:
            place_down(number, flat, at, tops, to + index_row * inner, size, inner)
        if value_row >= 0:
            value_down(number, flat, at, tops, to + value_row * inner, size, inner)
        first += number


@kernel
def largest(x: Array3, y: Array3, top_k: int, index_row: int, value_row: int, part: int, parts: int) -> None:
    """y holds the top_k largest of the D values around each (outer, inner), in order: their indices and their values.

    x: (outer, D, inner), y: (outer, rows * top_k, inner); the indices are in row `index_row`, the values in row
    `value_row`, -1 where they are not wanted.
    """
    (_, size, inner), flat = x.shape, x.reshape(x.size)
    first, last = span(x.shape[0] * inner, part, parts)
    if top_k == 1 and inner > 1:
        largest_down(x, y, index_row, value_row, first, last)
        return
    for p in range(first, last):
        o, i = p // inner, p % inner
        best = size - 1
        if inner == 1:
            best = last_place(flat[p * size : (p + 1) * size], greatest(flat, p * size, size))
        else:
            for d in range(size - 1, -1, -1):
                if _before(x[o, d, i], d, x[o, best, i], best):
                    best = d
        last = -1
        for rank in range(top_k):
            if rank > 0:
                best = -1
                for d in range(x.shape[1]):
                    behind = _before(x[o, last, i], last, x[o, d, i], d)
                    if behind and (best < 0 or _before(x[o, d, i], d, x[o, best, i], best)):
                        best = d
            if index_row >= 0:
                y[o, index_row * top_k + rank, i] = best
            if value_row >= 0:
                y[o, value_row * top_k + rank, i] = x[o, best, i]
            last = best


@kernel
def reindex(y: Matrix, x: Matrix, index: Vector, part: int, parts: int) -> None:
    """y[m] = x[index[m]], NaN where the index names no item. y: (M, D), x: (N, D), index: (M,)."""
    size = y.shape[1]
    chunks = (size + CHUNK - 1) // CHUNK
    for unit in range(*span(y.shape[0] * chunks, part, parts)):
        m, first = unit // chunks, unit % chunks * CHUNK
        target = y[m, first : min(first + CHUNK, size)]
        if is_class(index[m], x.shape[0]):
            source = x[int(index[m]), first:]
            for d in range(target.size):
                target[d] = source[d]
        else:
            for d in range(target.size):
                target[d] = math.nan


@kernel
def reindex_backward(dx: Matrix, dy: Matrix, index: Vector, sums: Doubles, part: int, parts: int) -> None:
    """dx[n] = the sum of dy[m] over all m with index[m] = n, in order, taken in float64.

    dx: (N, D), dy: (M, D), index: (M,), sums: (parts * S,): an item is summed up S values at a time.
    """
    size, own = dx.shape[1], sums.size // parts
    chunks = (size + own - 1) // own
    for unit in range(*span(dx.shape[0] * chunks, part, parts)):
        n, first = unit // chunks, unit % chunks * own
        last = min(first + own, size)
        total = sums[part * own : part * own + last - first]
        for d in range(total.size):
            total[d] = 0.0
        for m in range(dy.shape[0]):
            if index[m] == n:
                added = dy[m, first:last]
                for d in range(total.size):
                    total[d] += added[d]
        for d in range(total.size):
            dx[n, first + d] = total[d]


@kernel
def find_places(selector: Vector, number: Ints, kept: Ints, place: Ints, part: int, parts: int) -> None:
    """The items whose selector is not 0, in order, and the place of each item among them; -1 where there is none.

    selector, kept, place: (N,), number: (1,). Runs as one part.
    """
    found = 0
    for n in range(selector.size):
        place[n] = -1
        kept[n] = -1
        if selector[n] != 0:
            kept[found] = n
            place[n] = found
            found += 1
    number[0] = found


@kernel
def keep(y: Matrix, x: Matrix, number: Ints, kept: Ints, part: int, parts: int) -> None:
    """y[m] = x[kept[m]] for the items that are kept, 0 behind them. x, y: (N, D), number: (1,), kept: (N,)."""
    for m in range(*span(y.shape[0], part, parts)):
        target = y[m]
        if m < number[0]:
            source = x[kept[m]]
            for d in range(target.size):
                target[d] = source[d]
        else:
            for d in range(target.size):
                target[d] = 0.0


@kernel
def give_back(dx: Matrix, dy: Matrix, place: Ints, part: int, parts: int) -> None:
    """dx[n] = dy[place[n]], 0 where item n was not kept. dx, dy: (N, D), place: (N,)."""
    for n in range(*span(dx.shape[0], part, parts)):
        target = dx[n]
        if place[n] >= 0:
            source = dy[place[n]]
            for d in range(target.size):
                target[d] = source[d]
        else:
            for d in range(target.size):
                target[d] = 0.0
