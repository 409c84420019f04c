"""Convolution with filters of one tap: a product of pixels with the weight, where they lie or seen through a lens.

Letters: P pixels of all images; R channels of a pixel that is read, M of one that is written. Named tuples are those of
`conv_geometry` and of `core/beside.py`.
"""

from __future__ import annotations

from typing import NamedTuple

from netspec.codegen.geometry import ADD, AIR, APART, RECTIFY, Tiling
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Matrix, Vector
from netspec.codegen.rows import Row, Whole, rows, times
from netspec.codegen.simd import add_run, clear_run, copy_run
from netspec.codegen.tiles import (
    Ahead,
    Awaited,
    Left,
    Result,
    Right,
    Sums,
    address,
    multiply,
    one_tap,
    rows_at,
    tiles_of,
)
from netspec.core.beside import Products, Pull
from netspec.kernels.beside import leave_moments, leave_products
from netspec.kernels.conv_geometry import Apart, Around, Pixels
from netspec.kernels.seen import pull_back, scale_shift_pixels

LEFT = 8192
"""Values whose sums are left at a time, at least: they are near still, and each time costs something."""


class Block(NamedTuple):
    """A block of pixels, the channels of them that are multiplied, and the panels that it meets."""

    pixel: int  # the first
    number: int
    k: int  # the first channel
    some: int  # channels
    p0: int  # the first panel
    p1: int  # one past the last
    column: int  # the first column of these panels
    width: int  # columns


@helper
def pixel_at(v: int, apart: Apart) -> int:
    """The number, in their images, of the v-th of pixels that lie apart."""
    line, column = v // apart.columns, v % apart.columns
    n, i = line // apart.lines, line % apart.lines
    return (n * apart.height + i * apart.stride_y) * apart.width + column * apart.stride_x


@rows(group=4)
def copy_pixels(x: Row, y: Row, number: Whole, pitch: Whole, out_pitch: Whole) -> None:
    """y = x, for a number of pixels."""
    for i in times(number):
        y.put(x.get(i * pitch), i * out_pitch)


@helper
def see_pixels(
    x: Vector, pitch: int, pixel: int, step: int, number: int, k: int, some: int, around: Around, near: Vector, to: int
) -> None:
    """near = channels k and following, `some` of them, of every step-th pixel of the source, `number` of them."""
    lens, pull, at, line = around.lens, around.pull, pixel * pitch + k, pitch * step
    if pull.of_dy.size:
        behind = pixel * pull.pitch + k
        pull_back(some, pull, behind, pull.pitch * step, x, at, line, k, near, to, APART, number)
    elif lens.factor.size:
        scale_shift_pixels(some, x, at, lens.factor, k, lens.offset, k, near, to, lens.low, number, line, APART)
    else:
        copy_pixels(some, x, at, near, to, number, line, APART)


@helper
def see_rows(
    x: Vector, pixels: Pixels, apart: Apart, around: Around, v: int, count: int, k: int, some: int, near: Vector
) -> None:
    """near = channels k and following, `some` of them, of `count` pixels of the source from the v-th on."""
    pitch = pixels.pitch
    if not pixels.read_apart:
        see_pixels(x, pitch, v, 1, count, k, some, around, near, 0)
        return
    done = 0
    while done < count:
        number = min(count - done, apart.columns - (v + done) % apart.columns)
        pixel = pixel_at(v + done, apart)
        see_pixels(x, pitch, pixel, apart.stride_x, number, k, some, around, near, done * APART)
        done += number


@helper
def region_at(v: int, apart: Apart) -> tuple[int, int]:
    """(lines, columns) from the v-th of pixels that lie apart to the next ones, which all belong to it."""
    high = min(apart.stride_y, apart.height - v // apart.columns % apart.lines * apart.stride_y)
    return high, min(apart.stride_x, apart.width - v % apart.columns * apart.stride_x)


@helper
def send(near: Vector, width: int, y: Vector, column: int, apart: Apart, pixels: Pixels, v: int, mode: int) -> None:
    """Write a row of `width` sums to the v-th pixel of y, from a column on.

    With ADD they are added; else the pixels between this one and the next become 0.
    """
    at = pixel_at(v, apart)
    if mode & ADD:
        add_run(near, 0, y, at * pixels.out_pitch + column, width)
        return
    high, wide = region_at(v, apart)
    for i in range(high):
        for j in range(wide):
            to = (at + i * apart.width + j) * pixels.out_pitch + column
            if i or j:
                clear_run(y, to, width)
            else:
                copy_run(near, 0, y, to, width)


@helper
def leave_apart(
    y: Vector,
    column: int,
    width: int,
    apart: Apart,
    pixels: Pixels,
    v: int,
    mode: int,
    products: Products,
    piece: int,
    first: bool,
) -> None:
    """Leave the products of the v-th pixel of y that `send` wrote; with ADD also of those between it and the next.

    The others are 0 without ADD.
    """
    at, (high, wide) = pixel_at(v, apart), region_at(v, apart)
    for i in range(high if mode & ADD else 1):
        pixel, number = at + i * apart.width, wide if mode & ADD else 1
        to = pixel * pixels.out_pitch + column
        leave_products(y, to, pixels.out_pitch, pixel, number, column, width, products, piece, first and i == 0)


@helper
def next_block(x: Vector, y: Vector, pixels: Pixels, at: Block, soon: int) -> tuple[Ahead, Awaited]:
    """What the tiles of a block prefetch, evenly over their products: `soon` pixels of the next block.

    Nothing where these do not lie side by side.
    """
    size, v, tiles, r = y.itemsize, at.pixel + at.number, at.p1 - at.p0, pixels.channels
    x_step = shared(soon * size, tiles) if pixels.pitch == r and not pixels.read_apart else 0
    y_step = shared(soon * at.width * size, tiles * r) if pixels.out_pitch == at.width and not pixels.sent else 0
    ahead = Ahead(address(x, v * pixels.pitch) + at.k * tiles * x_step, at.some * x_step, x_step)
    return ahead, Awaited(address(y, v * pixels.out_pitch + at.column) + at.k * tiles * y_step, y_step)


@helper
def shared(total: int, shares: int) -> int:
    """The least whole number of which so many shares make up the total."""
    return (total + shares - 1) // shares


@helper
def send_block(
    near: Vector,
    y: Vector,
    pixels: Pixels,
    apart: Apart,
    around: Around,
    at: Block,
    mode: int,
    piece: int,
    first: bool,
) -> None:
    """Send a block's sums to pixels that lie apart, and leave the products of these."""
    column, width, left = at.column, at.width, around.products
    for i in range(at.number):
        send(near[i * (width + AIR) :], width, y, column, apart, pixels, at.pixel + i, mode)
        if left.pieces.values.size:
            leave_apart(y, column, width, apart, pixels, at.pixel + i, mode, left, piece, first and i == 0)


@helper
def leave_run(
    y: Vector, pixels: Pixels, around: Around, pixel: int, number: int, at: Block, piece: int, first: bool
) -> None:
    """Leave the moments or products of `number` pixels of y that lie side by side."""
    column, width, pitch = at.column, at.width, pixels.out_pitch
    to = pixel * pitch + column
    leave_moments(y, to, pitch, number, column, width, around.moments, piece, first)
    leave_products(y, to, pitch, pixel, number, column, width, around.products, piece, first)


@helper
def multiply_block(
    x: Vector,
    packed: Vector,
    bias: Vector,
    y: Vector,
    near: Vector,
    sums_at: int,
    pixels: Pixels,
    pull: Pull,
    tiles: Tiling,
    at: Block,
    mode: int,
    soon: int,
) -> None:
    """Multiply a block of pixels, which is near, with some panels.

    Behind a pull, every other tile prefetches what lies behind it.
    """
    m, panel, pitch = pixels.filters, tiles.panel, pixels.out_pitch
    a, sums = Left(address(near, 0), APART, 1), Sums(1, one_tap(), at.some)
    ahead, awaited = next_block(x, y, pixels, at, soon)
    seen_back = pull.of_dy.size > 0 and pull.pitch == pixels.pitch and at.p1 - at.p0 > 1
    behind = address(pull.x, (at.pixel + at.number) * pull.pitch) + at.k * (at.p1 - at.p0) * ahead.step
    for p in range(at.p0, at.p1):
        i, (_, tail, tall, low) = p - at.p0, tiles_of(tiles, p, m)
        constants = address(bias, p * panel) if bias.size and at.k + at.some == pixels.channels else 0
        b = Right(address(packed, (p * pixels.channels + at.k) * panel), 0, panel)
        if pixels.sent:
            c = Result(address(near, sums_at + i * panel), at.width + AIR, constants, ADD if at.k else 0, tail)
        else:
            c = Result(address(y, at.pixel * pitch + p * panel), pitch, constants, mode, tail)
        reading = Ahead(ahead.address + i * ahead.tap, 0, ahead.step)
        if seen_back and i % 2:
            reading = Ahead(behind + i // 2 * 2 * ahead.tap, 0, 2 * ahead.step)
        elif seen_back:
            reading = Ahead(ahead.address + i * ahead.tap, 0, 2 * ahead.step)
        writing = Awaited(awaited.address + i * at.some * awaited.step, awaited.step)
        multiply(tall if at.number == tiles.rows else low, sums, a, b, c, reading, writing)


@kernel
def convolve_pixels(
    x: Vector,
    packed: Vector,
    bias: Vector,
    y: Vector,
    scratch: Matrix,
    pixels: Pixels,
    apart: Apart,
    around: Around,
    tiles: Tiling,
    mode: int,
    part: int,
    parts: int,
) -> None:
    """y = x packed (+ bias), for filters of one tap.

    x: (P, R), y: (P, M), their pixels `pitch` and `out_pitch` values apart; packed: as `conv.pack` has it, bias: (M,)
    or empty. Pixels of x lie `apart`, or where they are sent, those of y. A block of pixels is brought near, seen
    through a lens or a pull, and meets all panels of a group; meanwhile the next one is prefetched. scratch: (parts,
    near pixels, then a block's sums). The parts that share a block leave sums of different channels in one piece.
    """
    r, m, panel, near = pixels.channels, pixels.filters, tiles.panel, scratch[part]
    sums_at, piece = tiles.rows * APART, part // pixels.shares
    begin, end = span(tiles.blocks, piece, parts // pixels.shares)
    first, last = span((m + panel - 1) // panel, part % pixels.shares, pixels.shares)
    for p0 in range(first, last, pixels.group):
        p1 = min(last, p0 + pixels.group)
        column, width = p0 * panel, min(m, p1 * panel) - p0 * panel
        left = rows_at(begin, tiles.rows, tiles.more)[0]
        start = left
        for block in range(begin, end):
            v, count = rows_at(block, tiles.rows, tiles.more)
            soon, at = count if block + 1 < end else 0, Block(v, count, 0, 0, p0, p1, column, width)
            for k in range(0, r, pixels.deep):
                some = min(pixels.deep, r - k)
                at = Block(v, count, k, some, p0, p1, column, width)
                see_rows(x, pixels, apart, around, v, count, k, some, near)
                how = (mode & ADD if k == 0 else ADD) | (mode & RECTIFY if k + some == r else 0)
                multiply_block(x, packed, bias, y, near, sums_at, pixels, around.pull, tiles, at, how, soon)
            if pixels.sent:
                send_block(near[sums_at:], y, pixels, apart, around, at, mode, piece, block == begin)
            elif block + 1 == end or (v + count - left) * width >= LEFT:
                leave_run(y, pixels, around, left, v + count - left, at, piece, left == start)
                left = v + count
