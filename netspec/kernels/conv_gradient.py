"""Gradients of a convolution of images with channels last (N, H, W, C): of weight, bias and a ReLU along.

Letters: N images; R channels a group reads, M columns a group writes; K filters; T taps.
"""

from __future__ import annotations

from netspec.codegen.geometry import ADD, LINE, Tiling
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Doubles, Matrix, Vector
from netspec.codegen.rows import Row, Variable, Whole, rows, times
from netspec.codegen.tiles import Ahead, Left, Result, Right, Sums, address, multiply, rows_at, tiles_of
from netspec.core.beside import Pull
from netspec.kernels.conv import next_lines, source_of
from netspec.kernels.conv_geometry import Diff, Windows
from netspec.kernels.seen import Seen, is_seen, see_pixels
from netspec.kernels.update import squares as squares_of

SOME = 2048
"""Values of a gradient that are added up at a time: they stay in the nearest cache."""


@helper
def share_of(job: int, jobs: int, lines: int, width: int, coming: tuple[tuple[int, int], ...]) -> Ahead:
    """What one of `jobs` tiles, of `lines` taps of `width` products, prefetches of runs that are coming: a fair share.

    coming: (address, bytes) of each run.
    """
    total, pairs = 0, (width + 1) // 2
    for _, number in coming:
        total += number
    share = total // jobs
    begin, step = job * share, min(LINE, share // (lines * pairs) + 1)
    for start, number in coming:
        if begin + share // 2 < number:
            return Ahead(start + max(0, begin), pairs * step, step)
        begin -= number
    return Ahead(0, 0, 0)


@kernel
def weight_gradient(
    x: Vector,
    dy: Vector,
    pieces: Matrix,
    lines: Clock,
    taps: Clock,
    seen: Seen,
    windows: Windows,
    diff: Diff,
    tiles: Tiling,
    pull: Pull,
    part: int,
    parts: int,
) -> None:
    """pieces[s] = the products of dy with the values that each tap reads, summed over the images and lines of piece s.

    x: (N, height, width, C), dy: (N, lines, width, K) with pixels `diff.pitch` apart, pieces: (S, G, T, run, M) with T
    runs of taps. taps: (T,), where each run begins in the source; lines: (block,), where each line of a block begins.
    Scratch holds (parts, values of a block's padded lines, as they are seen), then the block's lines of dy where they
    are seen through the pull; with `pull.once`, where a part owns all rows of a piece and pixels lie side by side, they
    are written back so instead. A part owns blocks of rows (of all taps and groups) of one piece. Meanwhile the tiles
    prefetch what the next block of lines reads.
    """
    r, m, block, count = windows.channels, diff.channels, windows.block, windows.runs
    panels, blocks = (m + tiles.panel - 1) // tiles.panel, (windows.lines + block - 1) // block
    piece, scratch, offsets = pieces[part // diff.shares], seen.scratch[part], address(lines, 0)
    begin, end = span(windows.groups * count * tiles.blocks, part % diff.shares, diff.shares)
    first, last = span(windows.images * blocks, part // diff.shares, pieces.shape[0])
    for unit in range(first, last):
        n, u = unit // blocks, unit % blocks * block
        height = min(block, windows.lines - u)
        source, _, pixel = source_of(x, windows, n, u, height, seen.how, scratch)
        diffs, pitch = address(dy, (n * windows.lines + u) * diff.width * diff.pitch), diff.pitch
        if is_seen(pull):
            first_pixel, pitch = (n * windows.lines + u) * diff.width, m * windows.groups
            near, to = scratch, scratch.size - block * diff.width * pitch
            if pull.once:
                near, to = dy, first_pixel * pitch
            see_pixels(dy, diff.pitch, first_pixel, height * diff.width, pitch, pull, near, to, 0)
            diffs = address(near, to)
        then, number = (n * windows.lines + u + height) * diff.width, block * diff.width * dy.itemsize
        coming = (
            next_lines(x, windows, unit),
            (address(dy, then * diff.pitch), number * diff.pitch * int(diff.pitch == m * windows.groups)),
            (address(pull.x, then * pull.pitch), number * pull.pitch),
        )
        mode, sums = 0 if unit == first else ADD, Sums(height, offsets, diff.width)
        for p in range(panels):
            _, tail, tall, low = tiles_of(tiles, p, m)
            for job in range(begin, end):
                cut, tap, group = job % tiles.blocks, job // tiles.blocks % count, job // (count * tiles.blocks)
                v, _ = rows_at(cut, tiles.rows, tiles.more)
                column = group * m + p * tiles.panel
                a = Left(source + dy.itemsize * (taps[tap] + group * r + v), 1, windows.stride_x * pixel)
                b = Right(diffs + column * dy.itemsize, diff.width * pitch, pitch)
                to = ((group * count + tap) * windows.run + v) * m + p * tiles.panel
                c = Result(address(piece, to), m, 0, mode, tail)
                soon = share_of(p * (end - begin) + job - begin, panels * (end - begin), height, diff.width, coming)
                multiply(tall if cut < tiles.more else low, sums, a, b, c, soon)


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
def add_pieces(pieces: Matrix, dw: Matrix, squares: Doubles, wide: int, add: int, part: int, parts: int) -> None:
    """dw (K, C) = (with `add`: +=) the pieces, added in their order. A part owns rows.

    pieces: (S, K*wide), of K rows that lie `wide` values apart, C or more. squares: (at least parts,) or empty;
    squares[part] = the sum of the part's squares, taken of a few rows while they are near.
    """
    k, c = dw.shape
    begin, end = span(k, part, parts)
    some, sum_of_squares = max(1, SOME // c) if wide == c else 1, 0.0
    for row in range(begin, end, some):
        high = min(some, end - row)
        total, at = dw[row : row + high].reshape(high * c), row * wide
        first = pieces[0, at : at + high * c]
        for i in range(total.size):
            total[i] = total[i] + first[i] if add else first[i]
        add_rows(pieces, at, total)
        if squares.size:
            sum_of_squares += squares_of(total)
    if squares.size:
        squares[part] = sum_of_squares


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
