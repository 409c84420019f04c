"""Gradients of a convolution of images with channels last (N, H, W, C): of weight, bias and a ReLU along.

Letters: N images; R channels a group reads, M columns a group writes; K filters; T taps.
"""

from __future__ import annotations

from netspec.codegen.geometry import ADD, LINE, Tiling
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Doubles, Matrix, Vector
from netspec.codegen.rows import Row, Variable, Whole, rows, times
from netspec.codegen.tiles import Ahead, Left, Result, Right, Sums, address, multiply, one_tap, rows_at, tiles_of
from netspec.kernels.conv import source_of
from netspec.kernels.conv_geometry import Diff, PixelGradient, Windows


@kernel
def weight_gradient(
    x: Vector,
    dy: Vector,
    pieces: Matrix,
    lines: Clock,
    taps: Clock,
    scratch: Matrix,
    windows: Windows,
    diff: Diff,
    tiles: Tiling,
    part: int,
    parts: int,
) -> None:
    """pieces[s] = the products of dy with the values that each tap reads, summed over the images and lines of piece s.

    x: (N, height, width, C), dy: (N, lines, width, K) with pixels `diff.pitch` apart, pieces: (S, G, T, run, M) with T
    runs of taps. taps: (T,), where each run begins in the source; lines: (block,), where each line of a block begins.
    scratch: (parts, values of a block's padded lines). A part owns blocks of rows (of all taps and groups) of one
    piece.
    """
    r, m, block, count = windows.channels, diff.channels, windows.block, windows.runs
    panels, blocks = (m + tiles.panel - 1) // tiles.panel, (windows.lines + block - 1) // block
    piece, scratch_lines, offsets = pieces[part // diff.shares], scratch[part], address(lines, 0)
    begin, end = span(windows.groups * count * tiles.blocks, part % diff.shares, diff.shares)
    first, last = span(windows.images * blocks, part // diff.shares, pieces.shape[0])
    for unit in range(first, last):
        n, u = unit // blocks, unit % blocks * block
        height = min(block, windows.lines - u)
        source, _, pixel = source_of(x, windows, n, u, height, scratch_lines)
        mode, sums = 0 if unit == first else ADD, Sums(height, offsets, diff.width)
        for p in range(panels):
            _, tail, tall, low = tiles_of(tiles, p, m)
            for job in range(begin, end):
                cut, tap, group = job % tiles.blocks, job // tiles.blocks % count, job // (count * tiles.blocks)
                v, _ = rows_at(cut, tiles.rows, tiles.more)
                column = group * m + p * tiles.panel
                a = Left(source + dy.itemsize * (taps[tap] + group * r + v), 1, windows.stride_x * pixel)
                start = address(dy, (n * windows.lines + u) * diff.width * diff.pitch + column)
                b = Right(start, diff.width * diff.pitch, diff.pitch)
                to = ((group * count + tap) * windows.run + v) * m + p * tiles.panel
                multiply(tall if cut < tiles.more else low, sums, a, b, Result(address(piece, to), m, 0, mode, tail))


@kernel
def weight_gradient_pixels(
    x: Vector,
    dy: Vector,
    pieces: Matrix,
    offsets: Clock,
    product: PixelGradient,
    tiles: Tiling,
    add: int,
    part: int,
    parts: int,
) -> None:
    """pieces[s] = (with `add`: +=) dy^T x over the lines of piece s, for filters of one tap.

    x: (lines, width, C) and dy: (lines, width, K) as `product` says, pieces: (S, K, C), offsets: (deep,), where each
    line of a block begins in dy. A part owns blocks of rows, or panels of columns, of one piece. A block of lines stays
    near while it is multiplied; meanwhile the tiles prefetch the next block.
    """
    c, width, panel, shares = product.channels, product.width, tiles.panel, product.shares
    panels, piece, share = (c + panel - 1) // panel, pieces[part // shares], part % shares
    begin, end = (0, tiles.blocks) if product.by_columns else span(tiles.blocks, share, shares)
    p_begin, p_end = span(panels, share, shares) if product.by_columns else (0, panels)
    first, last = span(product.lines, part // shares, pieces.shape[0])
    row_begin, _ = rows_at(begin, tiles.rows, tiles.more)
    row_end, _ = rows_at(end, tiles.rows, tiles.more)
    for l0 in range(first, last, product.deep):
        count, mode, size, number = min(product.deep, last - l0), ADD if add or l0 > first else 0, dy.itemsize, 0
        sums = Sums(count, address(offsets, 0), width) if width > 1 else Sums(1, one_tap(), count)
        x0, dy0 = address(x, l0 * product.line_pitch), address(dy, l0 * width * product.diff_pitch)
        x_next, dy_next = count * product.line_pitch * size, count * width * product.diff_pitch * size
        x_left = (min(p_end * panel, c) - p_begin * panel) * size if l0 + count < last else 0
        dy_left = (row_end - row_begin) * size if l0 + count < last else 0
        for p in range(p_begin, p_end):
            _, tail, tall, low = tiles_of(tiles, p, c)
            b = Right(x0 + p * panel * size, product.line_pitch, product.pitch)
            for cut in range(begin, end):
                v, _ = rows_at(cut, tiles.rows, tiles.more)
                a = Left(dy0 + v * size, 1, product.diff_pitch)
                result = Result(address(piece, v * c + p * panel), c, 0, mode, tail)
                if number < x_left:
                    at = x0 + p_begin * panel * size + x_next + number
                    soon = Ahead(at, product.line_pitch * size, product.pitch * size)
                elif number < x_left + dy_left:
                    at = dy0 + row_begin * size + dy_next + number - x_left
                    soon = Ahead(at, width * product.diff_pitch * size, product.diff_pitch * size)
                else:
                    soon = Ahead(0, 0, 0)
                number += LINE
                multiply(tall if cut < tiles.more else low, sums, a, b, result, soon)


@helper
def add_rows(pieces: Matrix, begin: int, total: Vector) -> None:
    """total += columns `begin` and following of all pieces (S, M) but the first, in their order."""
    for s in range(1, pieces.shape[0]):
        row = pieces[s, begin : begin + total.size]
        for i in range(total.size):
            total[i] += row[i]


@kernel
def join_pieces(pieces: Matrix, part: int, parts: int) -> None:
    """pieces (S, M): the first becomes the sum of all pieces, added in order. A part owns values."""
    begin, end = span(pieces.shape[1], part, parts)
    add_rows(pieces, begin, pieces[0, begin:end])


@kernel
def add_pieces(pieces: Matrix, dw: Vector, add: int, part: int, parts: int) -> None:
    """pieces: (S, M), dw: (M,). dw = (with `add`: +=) the pieces, added in their order. A part owns values."""
    begin, end = span(dw.size, part, parts)
    total, first = dw[begin:end], pieces[0, begin:end]
    for i in range(total.size):
        total[i] = total[i] + first[i] if add else first[i]
    add_rows(pieces, begin, total)


@kernel
def piece_to_filters(
    piece: Vector, dw: Vector, groups: int, k: int, r: int, area: int, add: int, part: int, parts: int
) -> None:
    """piece: (G, area, R, K/G), dw: (K, R, area). dw = (with `add`: +=) the piece, turned. A part owns filters."""
    m = k // groups
    begin, end = span(k, part, parts)
    for o0 in range(begin, end, 16):
        for c in range(r):
            for t in range(area):
                for o in range(o0, min(end, o0 + 16)):
                    group, to = o // m, (o * r + c) * area + t
                    value = piece[((group * area + t) * r + c) * m + o % m]
                    dw[to] = dw[to] + value if add else value


PIXELS = 64
"""Pixels whose diffs are added up in the net's own type before they join a sum in float64."""


@rows(group=4)
def rectify(y: Row, dy: Row) -> None:
    """dy = 0 where y is not positive."""
    dy.put(dy.get().cleared(y.get() <= 0))


@rows(group=4)
def add_up(dy: Row, s: Row, number: Whole, width: Whole) -> None:
    """s += the sum of dy over a number of rows."""
    total = Variable(dy.fill(0))
    for i in times(number):
        total.set(total.get() + dy.get(i * width))
    s.put(s.get() + total.get().double())


@rows(group=4)
def rectify_and_add_up(y: Row, dy: Row, s: Row, number: Whole, width: Whole) -> None:
    """dy = 0 where y is not positive; s += the sum of dy after that; over a number of rows."""
    total = Variable(dy.fill(0))
    for i in times(number):
        diff = dy.get(i * width).cleared(y.get(i * width) <= 0)
        dy.put(diff, i * width)
        total.set(total.get() + diff)
    s.put(s.get() + total.get().double())


@kernel
def top_gradient(
    y: Vector,
    dy: Vector,
    partial: Doubles,
    pixels: int,
    k: int,
    pitch: int,
    relu: int,
    summed: int,
    part: int,
    parts: int,
) -> None:
    """With `relu`, clear dy where y is not positive; with `summed`, partial (parts, K) = the sums of dy over a part.

    y, dy: (P, K), their pixels `pitch` values apart. A part owns pixels.
    """
    begin, end = span(pixels, part, parts)
    if not summed:
        together = pitch == k
        for p in range(begin, begin + 1 if together else end):
            rectify((end - begin) * k if together else k, y, p * pitch, dy, p * pitch)
        return
    for j in range(part * k, (part + 1) * k):
        partial[j] = 0
    for p in range(begin, end, PIXELS):
        some = min(PIXELS, end - p)
        if relu:
            rectify_and_add_up(k, y, p * pitch, dy, p * pitch, partial, part * k, some, pitch)
        else:
            add_up(k, dy, p * pitch, partial, part * k, some, pitch)


@kernel
def bias_gradient(partial: Doubles, db: Vector, add: int, part: int, parts: int) -> None:
    """db: (K,), partial: (S, K). db = (with `add`: +=) the partial sums, added in their order. Runs as one part."""
    k = db.size
    for j in range(k):
        total = 0.0
        for s in range(partial.size // k):
            total += partial[s * k + j]
        db[j] = db[j] + total if add else total
