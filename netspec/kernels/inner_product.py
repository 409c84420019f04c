"""Products of a batch with a weight matrix, and their gradients.

Letters: N rows of the batch, K values a row, M results a row. The large factor, the weight, is read once, as it lies in
memory; the small factor is transposed where its rows run the wrong way. Many rows are multiplied by register tiles
(`tiles`), few rows by streams (`streams`). Sums run over K in blocks of one size and in one order, so no cut into parts
can change them. `bias` is (M,), or empty where there is none; `mode` holds the bits ADD and RECTIFY of `tiles`.
"""

from __future__ import annotations

from netspec.codegen.geometry import ADD, RECTIFY, Grid, Streams
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Doubles, Matrix, Vector
from netspec.codegen.streams import call
from netspec.codegen.tiles import Left, Result, Right, Sums, address, multiply, one_tap
from netspec.kernels.copy import turn as turn_block
from netspec.kernels.update import squares_of_rows

DEEP = 256
"""Products that a tile sums in registers before they meet what memory holds."""

NEAR = 65536
"""Values of a gradient that are written before their squares are summed."""


@helper
def cover(grid: Grid, rows: int, columns: int, k: int, left: Left, right: Right, result: Result, size: int) -> None:
    """result (rows, columns) = left (rows, k) right (k, columns), by panels of columns, in each by tiles of rows.

    `size` is that of a number in bytes.
    """
    high, wide, sums = grid.rows, grid.width, Sums(1, one_tap(), k)
    for j in range(0, columns, wide):
        last = columns - j < wide
        tail = (columns - j - 1) % grid.lanes + 1 if last else grid.lanes
        b = Right(right.address + j * size, 0, right.pitch)
        bias = result.bias + j * size if result.bias else 0
        for i in range(0, rows, high):
            code = (grid.right if last else grid.whole) if rows - i >= high else grid.corner if last else grid.below
            a = Left(left.address + i * left.pitch * size, left.pitch, left.step)
            c = Result(result.address + (i * result.pitch + j) * size, result.pitch, bias, result.mode, tail)
            multiply(code, sums, a, b, c)


@helper
def product_of(
    grid: Grid, rows: int, columns: int, k: int, left: Left, right: Right, result: Result, size: int
) -> None:
    """result (rows, columns) = left (rows, k) right (k, columns), DEEP products at a time; see `cover`.

    Of the result's mode the bit ADD counts.
    """
    for p in range(0, k, DEEP):
        a = Left(left.address + p * left.step * size, left.pitch, left.step)
        b = Right(right.address + p * right.pitch * size, 0, right.pitch)
        bias, mode = result.bias if p + DEEP >= k else 0, result.mode & ADD if p == 0 else ADD
        c = Result(result.address, result.pitch, bias, mode, 0)
        cover(grid, rows, columns, min(DEEP, k - p), a, b, c, size)


@helper
def _finished(value: float, constant: float, held: float, mode: int) -> float:
    """The stored value of a sum: with the bias, with what the result held, rectified, as `mode` says."""
    value += constant
    if mode & ADD:
        value += held
    return value if not (mode & RECTIFY) or not value < 0 else value - value


@kernel
def turn(x: Matrix, y: Matrix, part: int, parts: int) -> None:
    """x: (R, K), y: (K, at least R). y = x^T; columns beyond R are left alone. A part writes rows of y."""
    r, k = x.shape
    first, last = span(k, part, parts)
    turn_block(x.reshape(r * k), first, k, y.reshape(y.size), first * y.shape[1], y.shape[1], r, last - first)


@kernel
def tile_rows(
    x: Matrix, w: Matrix, bias: Vector, y: Matrix, mode: int, bands: int, grid: Grid, part: int, parts: int
) -> None:
    """y = x w + bias. x: (N, K), w: (K, at least M), bias: (M,) or empty, y: (N, M).

    A part owns one of `bands` of y's rows, and columns of it.
    """
    (n, k), m, ldb, size = x.shape, y.shape[1], w.shape[1], y.itemsize
    high, wide, columns = grid.rows, grid.width, parts // bands
    i0, i1 = span((n + high - 1) // high, part // columns, bands)
    j0, j1 = span((m + wide - 1) // wide, part % columns, columns)
    i0, i1, j0, j1 = i0 * high, min(i1 * high, n), j0 * wide, min(j1 * wide, m)
    a, b, c = address(x.reshape(n * k), i0 * k), address(w.reshape(k * ldb), j0), address(y.reshape(n * m), i0 * m + j0)
    for p in range(0, k, DEEP):
        depth, now, ends = min(DEEP, k - p), mode & ADD if p == 0 else ADD, 0
        if p + depth == k:
            now, ends = now | mode & RECTIFY, address(bias, j0) if bias.size else 0
        left, right = Left(a + p * size, k, 1), Right(b + p * ldb * size, 0, ldb)
        cover(grid, i1 - i0, j1 - j0, depth, left, right, Result(c, m, ends, now, 0), size)


@kernel
def tile_transposed(
    w: Matrix, xt: Matrix, bias: Vector, product: Matrix, y: Matrix, mode: int, grid: Grid, part: int, parts: int
) -> None:
    """y = x w^T + bias by way of product (M, at least N) = w x^T.

    w: (M, K), xt: (K, at least N), bias: (M,) or empty, y: (N, M). A part owns rows of w.
    """
    (m, k), n, ldb, ldc, size, zero = w.shape, y.shape[0], xt.shape[1], product.shape[1], y.itemsize, y.dtype.type(0)
    first, last = span((m + grid.rows - 1) // grid.rows, part, parts)
    first, last = first * grid.rows, min(last * grid.rows, m)
    a, b, c = (
        address(w.reshape(m * k), first * k),
        address(xt.reshape(k * ldb), 0),
        address(product.reshape(m * ldc), first * ldc),
    )
    product_of(grid, last - first, n, k, Left(a, k, 1), Right(b, 0, ldb), Result(c, ldc, 0, 0, 0), size)
    for j in range(first, last):
        line, constant = product[j, :n], bias[j] if bias.size else zero
        for i in range(n):
            line[i] = _finished(line[i], constant, y[i, j] if mode & ADD else zero, mode)
    turn_block(product.reshape(m * ldc), first * ldc, ldc, y.reshape(n * m), first, m, last - first, n)


@kernel
def tile_columns(
    left: Matrix, right: Matrix, dw: Matrix, squares: Doubles, mode: int, grid: Grid, part: int, parts: int
) -> None:
    """left: (N, R), right: (N, C), dw: (R, C). dw = left^T right; a part owns rows of dw.

    squares: (at least parts,) or empty. squares[part] = the sum of the part's squares, taken of a few columns of dw
    while they are near.
    """
    (n, r), c, size, total = left.shape, right.shape[1], dw.itemsize, 0.0
    first, last = span((r + grid.rows - 1) // grid.rows, part, parts)
    first, last = first * grid.rows, min(last * grid.rows, r)
    some = max(1, NEAR // max(1, last - first) // grid.width) * grid.width
    for j in range(0, c, some):
        end = min(c, j + some)
        a, b = address(left.reshape(n * r), first), address(right.reshape(n * c), j)
        to = address(dw.reshape(r * c), first * c + j)
        columns, result = Left(a, 1, r), Result(to, c, 0, mode, 0)
        product_of(grid, last - first, end - j, n, columns, Right(b, 0, c), result, size)
        if squares.size:
            total += squares_of_rows(dw.reshape(r * c), first * c + j, c, last - first, end - j)
    if squares.size:
        squares[part] = total


@helper
def _walk(cut: Streams, rows: int, columns: int, k: int, left: Left, right: Right, result: Result, size: int) -> None:
    """result (rows, columns) = left (rows, k) right (k, columns), a few rows of `right` at a time."""
    for p in range(0, k, cut.steps):
        adding = result.mode & ADD if p == 0 else ADD
        b = right.address + p * right.pitch * size
        for i in range(0, rows, cut.rows):
            whole = k - p >= cut.steps
            code = (cut.whole if whole else cut.rest) if rows - i >= cut.rows else cut.below if whole else cut.corner
            a, c = left.address + (i * left.pitch + p * left.step) * size, result.address + i * result.pitch * size
            call(code, columns, Left(a, left.pitch, left.step), b, right.pitch, c, result.pitch, adding)


@kernel
def walk_rows(x: Matrix, w: Matrix, bias: Vector, y: Matrix, mode: int, cut: Streams, part: int, parts: int) -> None:
    """x: (N, K), w: (K, at least M), y: (N, M). y = x w + bias; a part owns columns, in whole cache lines."""
    (n, k), m, ldb, size, zero = x.shape, y.shape[1], w.shape[1], y.itemsize, y.dtype.type(0)
    first, last = span((m + 63) // 64, part, parts)
    first, last = first * 64, min(last * 64, m)
    left, right = Left(address(x.reshape(n * k), 0), k, 1), Right(address(w.reshape(k * ldb), first), 0, ldb)
    _walk(cut, n, last - first, k, left, right, Result(address(y.reshape(n * m), first), m, 0, mode, 0), size)
    if bias.size or mode & RECTIFY:
        for i in range(n):
            for j in range(first, last):
                y[i, j] = _finished(y[i, j], bias[j] if bias.size else zero, zero, mode & RECTIFY)


@kernel
def walk_columns(
    left: Matrix, right: Matrix, dw: Matrix, squares: Doubles, mode: int, cut: Streams, part: int, parts: int
) -> None:
    """dw = left^T right. left: (N, R), right: (N, C), dw: (R, C).

    A part owns rows of dw; it finishes a few before it takes more. squares: see `tile_columns`.
    """
    (n, r), c, size, high, total = left.shape, right.shape[1], dw.itemsize, cut.rows, 0.0
    first, last = span((r + high - 1) // high, part, parts)
    rows = Right(address(right.reshape(n * c), 0), 0, c)
    for i in range(first * high, min(last * high, r), high):
        columns, result = (
            Left(address(left.reshape(n * r), i), 1, r),
            Result(address(dw.reshape(r * c), i * c), c, 0, mode, 0),
        )
        _walk(cut, min(high, r - i), c, n, columns, rows, result, size)
        if squares.size:
            total += squares_of_rows(dw.reshape(r * c), i * c, c, min(high, r - i), c)
    if squares.size:
        squares[part] = total


@kernel
def dot_rows(
    large: Matrix,
    small: Matrix,
    bias: Vector,
    y: Vector,
    one: int,
    other: int,
    mode: int,
    cut: Streams,
    part: int,
    parts: int,
) -> None:
    """large: (P, K), small: (S, K), y: (P*S,). y[p*one + s*other] = the sum of large[p] * small[s], + bias.

    The bias belongs to the rows of `small` where these lie side by side in y (`other` is 1), else to those of `large`.
    A part owns rows of the large factor.
    """
    (rows, k), columns, size, zero = large.shape, small.shape[0], y.itemsize, y.dtype.type(0)
    high, wide = cut.rows, cut.steps
    first, last = span((rows + high - 1) // high, part, parts)
    first, last = first * high, min(last * high, rows)
    a, b, c = address(large.reshape(rows * k), 0), address(small.reshape(columns * k), 0), address(y, 0)
    for i in range(first, last, high):
        for j in range(0, columns, wide):
            whole = columns - j >= wide
            code = (cut.whole if whole else cut.rest) if rows - i >= high else cut.below if whole else cut.corner
            call(
                code,
                k,
                a + i * k * size,
                k,
                b + j * k * size,
                k,
                c + (i * one + j * other) * size,
                one,
                other,
                mode & ADD,
            )
    if bias.size or mode & RECTIFY:
        for i in range(first, last):
            for j in range(columns):
                at = i * one + j * other
                constant = bias[j if other == 1 else i] if bias.size else zero
                y[at] = _finished(y[at], constant, zero, mode & RECTIFY)


@kernel
def column_sums(y: Matrix, dy: Matrix, db: Vector, sums: Doubles, mode: int, part: int, parts: int) -> None:
    """y, dy: (N, M), db, sums: (M,). See `bias_gradient`; sums are taken in float64; a part owns columns."""
    zero = dy.dtype.type(0)
    first, last = span(dy.shape[1], part, parts)
    if mode & RECTIFY:
        for i in range(dy.shape[0]):
            line, top = dy[i, first:last], y[i, first:last]
            for j in range(line.size):
                line[j] = line[j] if top[j] > 0 else zero
    if db.size == 0:
        return
    total, db = sums[first:last], db[first:last]
    for j in range(total.size):
        total[j] = db[j] if mode & ADD else zero
    for i in range(dy.shape[0]):
        line = dy[i, first:last]
        for j in range(total.size):
            total[j] += line[j]
    for j in range(total.size):
        db[j] = total[j]
