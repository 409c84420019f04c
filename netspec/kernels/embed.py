"""Rows of a table, picked by index, and their gradient; a table added to every sample.

Letters: P positions, V rows of the table, M values a row.
"""

from __future__ import annotations

import math

from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Doubles, Ints, Matrix, Vector
from netspec.codegen.rows import Row, rows
from netspec.codegen.simd import add_run, clear_run
from netspec.kernels.copy import move
from netspec.kernels.loss import is_class


@rows(group=2)
def sum_of(a: Row, b: Row, y: Row) -> None:
    """y = a + b."""
    y.put(a.get() + b.get())


@rows(group=2)
def add_double(x: Row, total: Row) -> None:
    """total += x, in float64."""
    total.put(total.get() + x.get().double())


@rows(group=2)
def rounded(total: Row, y: Row) -> None:
    """y = total, a float64 sum."""
    y.put(total.get().to(y))


@rows(group=2)
def add_rounded(total: Row, y: Row) -> None:
    """y += total, a float64 sum."""
    y.put(y.get() + total.get().to(y))


@kernel
def embed_forward(x: Vector, w: Matrix, bias: Vector, y: Matrix, part: int, parts: int) -> None:
    """y[p] = w[x[p]] + bias; NaN where x[p] is not one of 0..V-1.

    x: (P,), w: (V, M), bias: (M,) or empty, y: (P, M). A part owns positions.
    """
    v, m = w.shape
    table, out = w.reshape(v * m), y.reshape(y.size)
    for p in range(*span(x.size, part, parts)):
        if not is_class(x[p], v):
            y[p] = math.nan
        elif bias.size:
            sum_of(m, table, int(x[p]) * m, bias, 0, out, p * m)
        else:
            move(m, table, int(x[p]) * m, out, p * m)


@kernel
def chain(x: Vector, heads: Ints, others: Ints, part: int, parts: int) -> None:
    """Chains of the positions that have one index: heads (V,) holds the first of each, others (P,) the next; -1: none.

    x: (P,). A value that is no index is in no chain. A part owns indices.
    """
    first, last = span(heads.size, part, parts)
    heads[first:last] = -1
    for p in range(x.size - 1, -1, -1):
        if x[p] >= first and x[p] < last and is_class(x[p], heads.size):
            others[p] = heads[int(x[p])]
            heads[int(x[p])] = p


@kernel
def embed_backward(
    dy: Matrix, heads: Ints, others: Ints, sums: Doubles, dw: Matrix, adding: int, part: int, parts: int
) -> None:
    """dw[v] = (or +=) the sum of dy over the positions whose index is v, in their order; see `chain`.

    dy: (P, M), sums: (parts, M), dw: (V, M). Every `parts`-th row is a part's: indices that come often lie side by side
    in many vocabularies.
    """
    (v, m), size = dw.shape, dy.size
    flat, table, own = dy.reshape(size), dw.reshape(v * m), part * m
    for row in range(part, v, parts):
        p, at = heads[row], row * m
        if p < 0:
            if not adding:
                clear_run(table, at, m)
        elif others[p] < 0:
            if adding:
                add_run(flat, p * m, table, at, m)
            else:
                move(m, flat, p * m, table, at)
        else:
            sums[own : own + m] = 0.0
            while p >= 0:
                add_double(m, flat, p * m, sums, own)
                p = others[p]
            if adding:
                add_rounded(m, sums, own, table, at)
            else:
                rounded(m, sums, own, table, at)


@kernel
def add_table(x: Matrix, w: Vector, y: Matrix, part: int, parts: int) -> None:
    """y = x + w in each row. x, y: (N, M), w: (M,). A part owns rows."""
    n, m = x.shape
    a, out = x.reshape(n * m), y.reshape(n * m)
    for i in range(*span(n, part, parts)):
        sum_of(m, a, i * m, w, 0, out, i * m)
