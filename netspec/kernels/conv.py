"""Convolution of images with channels last (N, H, W, C): products straight from the image, without gathering windows.

A filter's row of taps meets a contiguous run of the image, so that a register tile multiplies `rows` neighbouring
pixels with a panel of weights where they lie; stride and dilation only change the tile's strides. Lines that need
padding are copied to scratch, with the padding around them. Filters are packed once a step into panels
[tap][value][column]; columns past the last are 0.
Source: Georganas et al. 2018, Anatomy of high-performance deep learning convolutions on SIMD architectures.

Letters: N images, C channels of the image that is read, K channels of the image that is written (as many as filters); R
channels that a group reads, M columns that a group writes; P pixels of all images. Named tuples (`conv_geometry`) hold
what a kernel knows of its images.
"""

from __future__ import annotations

from netspec.codegen.geometry import ADD, Tiling
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Vector
from netspec.codegen.simd import add_run, clear_run, copy_run, lanes_of
from netspec.codegen.tiles import Ahead, Left, Result, Right, Sums, address, multiply, one_tap, rows_at, tiles_of
from netspec.codegen.turn import turn_tile
from netspec.core.beside import Pull
from netspec.kernels.conv_geometry import Filters, Sending, Target, Windows
from netspec.kernels.seen import Leaving, Seen, is_seen, leave, see_pixels


@kernel
def pack(w: Vector, packed: Vector, taps: Clock, filters: Filters, part: int, parts: int) -> None:
    """Pack the filters w (K, R, area) into panels [group][column block][tap][value][panel] of the taps listed.

    Values are the R channels and columns the M filters of a group; where `filters.turned`, values are its filters and
    columns its channels. A part owns column blocks.
    """
    r, area, width, m = filters.channels, filters.area, filters.panel, filters.filters // filters.groups
    values, columns = (m, r) if filters.turned else (r, m)
    blocks = (columns + width - 1) // width
    for unit in range(*span(filters.groups * blocks, part, parts)):
        group, first = unit // blocks, unit % blocks * width
        some = min(width, columns - first)
        base = unit * taps.size * values * width
        if some < width:
            clear_run(packed, base, taps.size * values * width)
        if filters.turned:
            for value in range(values):
                at = ((group * m + value) * r + first) * area
                for t in range(taps.size):
                    to = base + (t * values + value) * width
                    if area == 1:
                        copy_run(w, at, packed, to, some)
                    else:
                        for j in range(some):
                            packed[to + j] = w[at + j * area + taps[t]]
        elif area == 1:
            lanes, at = lanes_of(w), (group * m + first) * r
            for j in range(0, some, lanes):
                for value in range(0, values, lanes):
                    to = base + value * width + j
                    turn_tile(w, at + j * r + value, r, packed, to, width, some - j, values - value)
        else:
            for j in range(some):
                at = (group * m + first + j) * r * area
                for value in range(values):
                    for t in range(taps.size):
                        packed[base + (t * values + value) * width + j] = w[at + value * area + taps[t]]


@helper
def padded_lines(x: Vector, windows: Windows, image: int, first: int, count: int, seen: Pull, out: Vector) -> None:
    """Copy `count` lines of an image, as they are seen, from line `first` and column `windows.left` on.

    Values outside the image are 0. out: (count, reach, channels of all groups).
    """
    width, channels, wide = windows.width, windows.channels * windows.groups, windows.reach
    left, start = windows.left, image * windows.height * width
    low, high = max(0, -left), max(0, min(wide, width - left))
    for i in range(count):
        y, to = first + i, i * wide * channels
        if y < 0 or y >= windows.height or high <= low:
            clear_run(out, to, wide * channels)
            continue
        clear_run(out, to, low * channels)
        at, to = start + y * width + left + low, to + low * channels
        see_pixels(x, windows.pitch, at, high - low, channels, seen, out, to)
        clear_run(out, to + (high - low) * channels, (wide - high) * channels)


@helper
def source_of(
    x: Vector, windows: Windows, image: int, line: int, count: int, seen: Pull, scratch: Vector
) -> tuple[int, int, int]:
    """(address, pixels of a line, values of a pixel) of the source that the windows of `count` lines read.

    Where `windows.copied`, the lines are written to scratch first; else they are read in the image itself.
    """
    first = windows.top + line * windows.stride_y
    if windows.copied:
        padded_lines(x, windows, image, first, (count - 1) * windows.stride_y + windows.extent, seen, scratch)
        return address(scratch, 0), windows.reach, windows.channels * windows.groups
    start = (image * windows.height + first) * windows.width + windows.left
    return address(x, start * windows.pitch), windows.width, windows.pitch


@helper
def next_lines(x: Vector, windows: Windows, unit: int) -> tuple[int, int]:
    """(address, bytes) of what the block of lines behind block `unit` reads, and that block did not.

    No bytes where pixels do not lie side by side.
    """
    blocks, line = (windows.lines + windows.block - 1) // windows.block, windows.width * windows.pitch
    n, u = (unit + 1) // blocks, (unit + 1) % blocks * windows.block
    first = windows.top + u * windows.stride_y + (windows.extent - windows.stride_y if u else 0)
    together = windows.pitch == windows.channels * windows.groups
    number = windows.block * windows.stride_y * line * x.itemsize if together else 0
    return address(x, (n * windows.height + first) * line), number


@kernel
def convolve(
    x: Vector,
    packed: Vector,
    bias: Vector,
    y: Vector,
    table: Clock,
    seen: Seen,
    windows: Windows,
    target: Target,
    tiles: Tiling,
    mode: int,
    left: Leaving,
    part: int,
    parts: int,
) -> None:
    """y = x * packed (+ bias) at the places of one pass, with the tile's `mode` at the end.

    A part owns blocks of lines. x: (N, height, width, C) with pixels `windows.pitch` apart, y: (N, height, width, K)
    likewise, packed: as `pack` has it, bias: (K,) or empty. table: (runs,), where each run of taps begins in the
    source. Scratch holds (parts, values of a block's padded lines), as they are seen. What is left of y, in a pass that
    writes all of its pixels, is one piece for each part. While a block is multiplied, the tiles prefetch the next one's
    source.
    """
    size, offsets, scratch_lines = y.itemsize, address(table, 0), seen.scratch[part]
    r, m, block, step = windows.channels, target.channels, windows.block, target.stride_x * target.pitch
    sums = Sums(windows.runs, offsets, windows.run)
    panels, blocks = (m + tiles.panel - 1) // tiles.panel, (windows.lines + block - 1) // block
    first_unit, last_unit = span(windows.images * blocks, part, parts)
    for unit in range(first_unit, last_unit):
        n, u = unit // blocks, unit % blocks * block
        count = min(block, windows.lines - u)
        source, line, pixel = source_of(x, windows, n, u, count, seen.how, scratch_lines)
        soon, number = next_lines(x, windows, unit)
        jobs, products = windows.groups * panels * count * tiles.blocks, windows.runs * windows.run
        ahead = (number + jobs * products - 1) // max(1, jobs * products)
        for gp in range(windows.groups * panels):
            group, p = gp // panels, gp % panels
            _, tail, tall, low = tiles_of(tiles, p, m)
            b = Right(
                address(packed, gp * windows.runs * windows.run * tiles.panel), windows.run * tiles.panel, tiles.panel
            )
            column = group * m + p * tiles.panel
            constants = address(bias, column) if bias.size else 0
            for i in range(count):
                row = (n * target.height + (u + i) * target.stride_y + target.place_y) * target.width + target.place_x
                to = row * target.pitch + column
                for cut in range(tiles.blocks):
                    v, _ = rows_at(cut, tiles.rows, tiles.more)
                    at = (i * windows.stride_y * line + v * windows.stride_x) * pixel + group * r
                    a = Left(source + size * at, windows.stride_x * pixel, 1)
                    c = Result(address(y, to + v * step), step, constants, mode, tail)
                    multiply(tall if cut < tiles.more else low, sums, a, b, c, Ahead(soon, windows.run * ahead, ahead))
                    soon += products * ahead
        pixels, number = (n * target.height + u) * target.width, count * target.width
        leave(y, target.pitch, m * windows.groups, pixels, number, left, part, unit == first_unit)


@kernel
def pack_lines(
    w: Vector, packed: Vector, k: int, r: int, height: int, width: int, panel: int, part: int, parts: int
) -> None:
    """Pack w (K, R, height, width) into panels [line of taps][column block][filter][panel].

    Columns are (tap of the line, channel). A part owns column blocks.
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


@helper
def diff_line(dy: Vector, sending: Sending, seen: Pull, scratch: Vector, line: int) -> tuple[int, int]:
    """(address, values of a pixel) of a line of dy, which is seen into scratch where it is not as it lies."""
    pixel, k, to = line * sending.columns, sending.filters, sending.tall * sending.wide * sending.channels
    if not is_seen(seen):
        return address(dy, pixel * sending.pitch), sending.pitch
    see_pixels(dy, sending.pitch, pixel, sending.columns, k, seen, scratch, to)
    return address(scratch, to), k


@kernel
def convolve_back(
    dy: Vector,
    packed: Vector,
    dx: Vector,
    seen: Seen,
    sending: Sending,
    tiles: Tiling,
    add: int,
    left: Leaving,
    part: int,
    parts: int,
) -> None:
    """dx = (with `add`: +=) the sum of what every pixel of dy adds to its window, a line of taps at a time.

    Rows of a tile overlap in the image. dy: (N, lines, columns, K) with pixels `pitch` apart, dx: (N, height, width,
    C), packed: as `pack_lines` writes it. Scratch holds (parts, tall * wide * C), then a line of dy as it is seen.
    Unlike in gathering (`convolve`), columns are taps and channels together, so that few channels fill vectors too, and
    no padding is multiplied. A part owns images, and leaves its own piece.
    """
    k, r, wide, panel = sending.filters, sending.channels, sending.wide, tiles.panel
    panels, image, sums = (sending.run + panel - 1) // panel, seen.scratch[part], Sums(1, one_tap(), sending.filters)
    first, last = span(sending.images, part, parts)
    for n in range(first, last):
        clear_run(image, 0, sending.tall * wide * r)
        for line in range(sending.taps * panels):
            tap, p = line // panels, line % panels
            _, tail, tall, low = tiles_of(tiles, p, sending.run)
            b = Right(address(packed, line * k * panel), 0, panel)
            for i in range(sending.lines):
                source, pitch = diff_line(dy, sending, seen.how, image, n * sending.lines + i)
                for cut in range(tiles.blocks):
                    v, _ = rows_at(cut, tiles.rows, tiles.more)
                    a = Left(source + v * pitch * dy.itemsize, pitch, 1)
                    to = ((i * sending.stride_y + tap * sending.dilation) * wide + v * sending.stride_x) * r + p * panel
                    c = Result(address(image, to), sending.stride_x * r, 0, ADD, tail)
                    multiply(tall if cut < tiles.more else low, sums, a, b, c)
        for i in range(sending.height):
            frm, to = ((i + sending.pad_y) * wide + sending.pad_x) * r, (n * sending.height + i) * sending.width * r
            if add:
                add_run(image, frm, dx, to, sending.width * r)
            else:
                copy_run(image, frm, dx, to, sending.width * r)
        pixels = sending.height * sending.width
        leave(dx, r, r, n * pixels, pixels, left, part, n == first)
