"""Convolution of images whose channels lie together (N, H, W, C): products straight from the image, without gathering windows.

A filter's row of taps meets a contiguous run of the image, so that a register tile multiplies `rows` neighbouring pixels with a panel of
weights where they lie; stride and dilation only change the tile's strides. Lines that need padding are copied to scratch, with the padding
around them. Filters are packed once a step into panels [tap][value][column], columns past the last 0.
Source: Georganas et al. 2018, Anatomy of high-performance deep learning convolutions on SIMD architectures.

Letters: R = channels a group reads, M = columns a group writes, T = taps. What all kernels of a pass know is in `g`, in the order of
layers/_direct.py (Pass, Gradient); `table` holds where each tap, or line, begins in the image.
"""

from __future__ import annotations

from netspec.codegen.kernel import Clock, Code, Doubles, Matrix, Vector, helper, kernel, span
from netspec.codegen.rows import Row, Variable, Whole, rows, times
from netspec.codegen.simd import add_run, clear_run, copy_rows, copy_run
from netspec.codegen.tiles import ADD, RECTIFY, address, multiply, panel_at, rows_at


@kernel
def pack(
    w: Vector,
    packed: Vector,
    taps: Clock,
    groups: int,
    k: int,
    r: int,
    area: int,
    width: int,
    turned: int,
    part: int,
    parts: int,
) -> None:
    """w: (K, R, area). packed: panels [group][column block][tap][value][width] of the taps listed.

    Values are the R channels and columns the filters of a group; `turned`, values are its filters and columns its channels.
    A part owns column blocks.
    """
    filters = k // groups
    values, columns = (filters, r) if turned else (r, filters)
    blocks = (columns + width - 1) // width
    for unit in range(*span(groups * blocks, part, parts)):
        g, first = unit // blocks, unit % blocks * width
        some = min(width, columns - first)
        base = unit * taps.size * values * width
        if some < width:
            clear_run(packed, base, taps.size * values * width)
        if turned:
            for value in range(values):
                at = ((g * filters + value) * r + first) * area
                for t in range(taps.size):
                    to = base + (t * values + value) * width
                    if area == 1:
                        copy_run(w, at, packed, to, some)
                    else:
                        for j in range(some):
                            packed[to + j] = w[at + j * area + taps[t]]
        else:
            for j in range(some):
                at = (g * filters + first + j) * r * area
                for value in range(values):
                    for t in range(taps.size):
                        packed[base + (t * values + value) * width + j] = w[at + value * area + taps[t]]


@helper
def padded_lines(
    x: Vector,
    start: int,
    first: int,
    count: int,
    height: int,
    width: int,
    pitch: int,
    channels: int,
    left: int,
    wide: int,
    out: Vector,
) -> None:
    """out (count, wide, channels) = the lines from `first` on and columns from `left` on of the image at x[start], 0 outside of it."""
    low, high = max(0, -left), max(0, min(wide, width - left))
    for i in range(count):
        y, to = first + i, i * wide * channels
        if y < 0 or y >= height or high <= low:
            clear_run(out, to, wide * channels)
            continue
        clear_run(out, to, low * channels)
        at, to = start + (y * width + left + low) * pitch, to + low * channels
        if pitch == channels:
            copy_run(x, at, out, to, (high - low) * channels)
        else:
            for j in range(high - low):
                copy_run(x, at + j * pitch, out, to + j * channels, channels)
        clear_run(out, to + (high - low) * channels, (wide - high) * channels)


@kernel
def convolve(
    x: Vector,
    packed: Vector,
    bias: Vector,
    y: Vector,
    table: Clock,
    scratch: Matrix,
    g: Clock,
    lanes: int,
    mode: int,
    tall_tile: Code,
    low_tile: Code,
    tall_edge: Code,
    low_edge: Code,
    part: int,
    parts: int,
) -> None:
    """y = x * packed (+ bias) at the places of one pass, with the tile's `mode` at the end. A part owns blocks of lines."""
    images, height, width, pitch, groups, r = g[0], g[1], g[2], g[3], g[4], g[5]
    first, left, sy, sx, tall, wide, copied = g[6], g[7], g[8], g[9], g[10], g[11], g[12]
    taps, run, lines, out_height, out_width, out_pitch = g[13], g[14], g[15], g[16], g[17], g[18]
    ty, tx, qy, qx, m, panel = g[19], g[20], g[21], g[22], g[23], g[24]
    block, cuts, rows, more = g[25], g[26], g[27], g[28]
    size, channels, panels, blocks = y.itemsize, r * groups, (m + panel - 1) // panel, (lines + block - 1) // block
    offsets, lines_of = address(table, 0), scratch[part]
    for unit in range(*span(images * blocks, part, parts)):
        n, u = unit // blocks, unit % blocks * block
        if copied:
            height_in = (min(block, lines - u) - 1) * sy + tall
            start = n * height * width * pitch
            padded_lines(x, start, first + u * sy, height_in, height, width, pitch, channels, left, wide, lines_of)
            a0, line, pixel = address(lines_of, 0), wide, channels
        else:
            a0, line, pixel = address(x, ((n * height + first + u * sy) * width + left) * pitch), width, pitch
        for gp in range(groups * panels):
            group, p = gp // panels, gp % panels
            _, tail, whole = panel_at(p * panel, panel, m, lanes)
            one, other = (tall_tile, low_tile) if whole else (tall_edge, low_edge)
            b = address(packed, gp * taps * run * panel)
            column = group * m + p * panel
            constants = address(bias, column) if bias.size else 0
            for i in range(min(block, lines - u)):
                to = ((n * out_height + (u + i) * ty + qy) * out_width + qx) * out_pitch + column
                for cut in range(cuts):
                    v, _ = rows_at(cut, rows, more)
                    a = a0 + size * ((i * sy * line + v * sx) * pixel + group * r)
                    c = address(y, to + v * tx * out_pitch)
                    code = one if cut < more else other
                    multiply(
                        code,
                        taps,
                        offsets,
                        run,
                        a,
                        sx * pixel,
                        1,
                        b,
                        run * panel,
                        panel,
                        c,
                        tx * out_pitch,
                        constants,
                        mode,
                        tail,
                    )


@kernel
def convolve_pixels(
    x: Vector,
    packed: Vector,
    bias: Vector,
    y: Vector,
    table: Clock,
    g: Clock,
    lanes: int,
    mode: int,
    tall_tile: Code,
    low_tile: Code,
    tall_edge: Code,
    low_edge: Code,
    part: int,
    parts: int,
) -> None:
    """The same for filters of one tap at stride 1: y (P, M) = x (P, R) packed. A part owns blocks of pixels."""
    pitch, r, out_pitch, m, panel, blocks, rows, more, deep, at_once = (
        g[0],
        g[1],
        g[2],
        g[3],
        g[4],
        g[5],
        g[6],
        g[7],
        g[8],
        g[9],
    )
    panels, offsets = (m + panel - 1) // panel, address(table, 0)
    begin, end = span(blocks, part, parts)
    for first in range(begin, end, at_once):
        last = min(end, first + at_once)
        for k in range(0, r, deep):
            some_k = min(deep, r - k)
            finish = k + some_k == r
            how = (mode & ADD if k == 0 else ADD) | (mode & RECTIFY if finish else 0)
            for p in range(panels):
                _, tail, whole = panel_at(p * panel, panel, m, lanes)
                one, other = (tall_tile, low_tile) if whole else (tall_edge, low_edge)
                constants = address(bias, p * panel) if bias.size and finish else 0
                b = address(packed, (p * r + k) * panel)
                for block in range(first, last):
                    v, _ = rows_at(block, rows, more)
                    code = one if block < more else other
                    a, c = address(x, v * pitch + k), address(y, v * out_pitch + p * panel)
                    multiply(code, 1, offsets, some_k, a, pitch, 1, b, 0, panel, c, out_pitch, constants, how, tail)


@kernel
def pack_lines(
    w: Vector, packed: Vector, k: int, r: int, height: int, width: int, panel: int, part: int, parts: int
) -> None:
    """w: (K, R, height, width). packed: [line of taps][column block][filter][panel], columns being (tap of the line, channel).

    A part owns column blocks.
    """
    columns = width * r
    blocks = (columns + panel - 1) // panel
    for unit in range(*span(height * blocks, part, parts)):
        y, first = unit // blocks, unit % blocks * panel
        for o in range(k):
            to = (unit * k + o) * panel
            for j in range(panel):
                column = first + j
                inside = column < columns
                packed[to + j] = w[((o * r + column % r) * height + y) * width + column // r] if inside else 0


@kernel
def convolve_back(
    dy: Vector,
    packed: Vector,
    dx: Vector,
    table: Clock,
    scratch: Matrix,
    g: Clock,
    lanes: int,
    add: int,
    tall_tile: Code,
    low_tile: Code,
    tall_edge: Code,
    low_edge: Code,
    part: int,
    parts: int,
) -> None:
    """dx = (with `add`: +=) what every pixel of dy sends back, a line of taps at a time: rows of a tile overlap in the image.

    Against gathering (`convolve`), columns are taps and channels together, so that few channels fill vectors too, and no padding is
    multiplied. A part owns images.
    """
    images, p, q, k, height, width, r = g[0], g[1], g[2], g[3], g[4], g[5], g[6]
    top, left, sy, sx, dilation, taps, run = g[7], g[8], g[9], g[10], g[11], g[12], g[13]
    tall, wide, panel, cuts, rows, more, pitch = g[14], g[15], g[16], g[17], g[18], g[19], g[20]
    panels, offsets, image = (run + panel - 1) // panel, address(table, 0), scratch[part]
    for n in range(*span(images, part, parts)):
        clear_run(image, 0, tall * wide * r)
        for line in range(taps * panels):
            tap, columns = line // panels, line % panels * panel
            _, tail, whole = panel_at(columns, panel, run, lanes)
            one, other = (tall_tile, low_tile) if whole else (tall_edge, low_edge)
            b = address(packed, line * k * panel)
            for i in range(p):
                for cut in range(cuts):
                    v, _ = rows_at(cut, rows, more)
                    a = address(dy, ((n * p + i) * q + v) * pitch)
                    c = address(image, ((i * sy + tap * dilation) * wide + v * sx) * r + columns)
                    multiply(
                        one if cut < more else other, 1, offsets, k, a, pitch, 1, b, 0, panel, c, sx * r, 0, ADD, tail
                    )
        for i in range(height):
            frm, to = ((i + top) * wide + left) * r, (n * height + i) * width * r
            if add:
                add_run(image, frm, dx, to, width * r)
            else:
                copy_run(image, frm, dx, to, width * r)


@kernel
def weight_gradient(
    x: Vector,
    dy: Vector,
    pieces: Matrix,
    table: Clock,
    taps: Clock,
    scratch: Matrix,
    g: Clock,
    lanes: int,
    tall_tile: Code,
    low_tile: Code,
    tall_edge: Code,
    low_edge: Code,
    part: int,
    parts: int,
) -> None:
    """pieces: (S, G, T, run, M). pieces[s] = the products of dy with what each tap saw, summed over the images and lines of piece s.

    A part owns blocks of rows (of all taps and groups) of one piece. `taps` says where each tap begins in the image, `table` each line.
    """
    images, height, width, pitch, groups, r = g[0], g[1], g[2], g[3], g[4], g[5]
    first, left, sy, sx, tall, wide, copied = g[6], g[7], g[8], g[9], g[10], g[11], g[12]
    count, run, lines, columns, dy_pitch, m, panel = g[13], g[14], g[15], g[16], g[17], g[18], g[19]
    block, cuts, rows, more, shares = g[20], g[21], g[22], g[23], g[24]
    size, channels, panels, blocks = dy.itemsize, r * groups, (m + panel - 1) // panel, (lines + block - 1) // block
    piece, lines_of, offsets = pieces[part // shares], scratch[part], address(table, 0)
    begin, end = span(groups * count * cuts, part % shares, shares)
    low, high = span(images * blocks, part // shares, pieces.shape[0])
    for unit in range(low, high):
        n, u = unit // blocks, unit % blocks * block
        tall_block = min(block, lines - u)
        if copied:
            start = n * height * width * pitch
            padded_lines(
                x,
                start,
                first + u * sy,
                (tall_block - 1) * sy + tall,
                height,
                width,
                pitch,
                channels,
                left,
                wide,
                lines_of,
            )
            a0, pixel = address(lines_of, 0), channels
        else:
            a0, pixel = address(x, ((n * height + first + u * sy) * width + left) * pitch), pitch
        mode = 0 if unit == low else ADD
        for p in range(panels):
            _, tail, whole = panel_at(p * panel, panel, m, lanes)
            one, other = (tall_tile, low_tile) if whole else (tall_edge, low_edge)
            for job in range(begin, end):
                group, tap, cut = job // (count * cuts), job // cuts % count, job % cuts
                v, _ = rows_at(cut, rows, more)
                code = one if cut < more else other
                a = a0 + size * (taps[tap] + group * r + v)
                b = address(dy, (n * lines + u) * columns * dy_pitch + group * m + p * panel)
                c = address(piece, ((group * count + tap) * run + v) * m + p * panel)
                multiply(
                    code,
                    tall_block,
                    offsets,
                    columns,
                    a,
                    1,
                    sx * pixel,
                    b,
                    columns * dy_pitch,
                    dy_pitch,
                    c,
                    m,
                    0,
                    mode,
                    tail,
                )


@kernel
def weight_gradient_pixels(
    x: Vector,
    dy: Vector,
    pieces: Matrix,
    table: Clock,
    scratch: Matrix,
    g: Clock,
    lanes: int,
    add: int,
    tall_tile: Code,
    low_tile: Code,
    tall_edge: Code,
    low_edge: Code,
    part: int,
    parts: int,
) -> None:
    """The same for filters of one tap at stride 1: pieces[s] (M, R) = (with `add`: +=) dy^T x over the pixels of piece s.

    A part owns blocks of rows of one piece. It copies a panel of x's columns, and where pixels lie far apart its rows of dy, to scratch:
    what lies a power of two apart shares the same few lines of a cache.
    """
    pixels, pitch, dy_pitch, r, panel = g[0], g[1], g[2], g[3], g[4]
    cuts, rows, more, shares, deep, packed = g[5], g[6], g[7], g[8], g[9], g[10]
    panels, offsets, piece, near = (r + panel - 1) // panel, address(table, 0), pieces[part // shares], scratch[part]
    begin, end = span(cuts, part % shares, shares)
    low, high = span(pixels, part // shares, pieces.shape[0])
    for p0 in range(low, high, deep):
        k, mode = min(deep, high - p0), ADD if add or p0 > low else 0
        for cut in range(begin, end * packed):
            v, tall = rows_at(cut, rows, more)
            to = deep * (panel + (cut - begin) * rows)
            copy_rows(dy, p0 * dy_pitch + v, dy_pitch, near, to, tall, k, tall)
        for p in range(panels):
            some, tail, whole = panel_at(p * panel, panel, r, lanes)
            one, other = (tall_tile, low_tile) if whole else (tall_edge, low_edge)
            copy_rows(x, p0 * pitch + p * panel, pitch, near, 0, panel, k, some)
            for cut in range(begin, end):
                v, tall = rows_at(cut, rows, more)
                a = address(near, deep * (panel + (cut - begin) * rows)) if packed else address(dy, p0 * dy_pitch + v)
                step, c = tall if packed else dy_pitch, address(piece, v * r + p * panel)
                code = one if cut < more else other
                multiply(code, 1, offsets, k, a, 1, step, address(near, 0), 0, panel, c, r, 0, mode, tail)


@kernel
def thin(
    x: Vector, y: Vector, height: int, width: int, c: int, p: int, q: int, sy: int, sx: int, part: int, parts: int
) -> None:
    """y (N, p, q, C) = every sy-th line's every sx-th pixel of x (N, height, width, C). A part owns lines."""
    for line in range(*span(y.size // (q * c), part, parts)):
        at = ((line // p * height + line % p * sy) * width) * c
        copy_rows(x, at, sx * c, y, line * q * c, c, q, c)


@kernel
def join_pieces(pieces: Matrix, part: int, parts: int) -> None:
    """pieces (S, M): the first becomes the sum of all, added in order. A part owns values."""
    begin, end = span(pieces.shape[1], part, parts)
    total = pieces[0, begin:end]
    for s in range(1, pieces.shape[0]):
        row = pieces[s, begin:end]
        for i in range(total.size):
            total[i] += row[i]


@kernel
def add_pieces(pieces: Matrix, dw: Vector, add: int, part: int, parts: int) -> None:
    """pieces: (S, M), dw: (M,). dw = (with `add`: +=) the pieces, added in their order. A part owns values."""
    begin, end = span(dw.size, part, parts)
    total, first = dw[begin:end], pieces[0, begin:end]
    for i in range(total.size):
        total[i] = total[i] + first[i] if add else first[i]
    for s in range(1, pieces.shape[0]):
        row = pieces[s, begin:end]
        for i in range(total.size):
            total[i] += row[i]


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
    """Both, over a number of rows."""
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
    """With `relu`, dy (P, K) is masked in place where y is not positive; with `summed`, partial (parts, K) = its sums.

    Pixels of y and dy lie `pitch` values apart. A part owns pixels.
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
    """db: (K,), partial: (S, K). db = (with `add`: +=) the partial sums, added in their order."""
    k = db.size
    for j in range(k):
        total = 0.0
        for s in range(partial.size // k):
            total += partial[s * k + j]
        db[j] = db[j] + total if add else total
