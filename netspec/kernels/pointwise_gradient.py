"""The weight's gradient of a convolution with filters of one tap: a product over all pixels, dw = dy^T x.

x lies as pixels of C channels, dy as pixels of K filters; blocks of pixels are multiplied one after another. Where they
are seen otherwise than they are (`core/beside.py`), or lie apart, they are copied next to the core first: dy's rows of
a block together, x's columns a panel at a time, which stays in the nearest cache while it meets all rows.
"""

from __future__ import annotations

from typing import NamedTuple

from netspec.codegen.geometry import ADD, AIR, LINE, Tiling
from netspec.codegen.kernel import following, helper, kernel, span
from netspec.codegen.kinds import Doubles, Matrix, Vector
from netspec.codegen.rows import Row, Whole, rows, times
from netspec.codegen.tiles import (
    Ahead,
    Left,
    Result,
    Right,
    Sums,
    address,
    every_second,
    multiply,
    one_tap,
    rows_at,
    tiles_of,
)
from netspec.core.beside import Lens, Pull
from netspec.kernels.conv_geometry import Apart, PixelGradient
from netspec.kernels.pointwise import pixel_at
from netspec.kernels.seen import pull_back, scale_shift_pixels
from netspec.kernels.update import squares_of_rows

PAGE = 2048
"""Bytes from one pixel to the next, or a multiple, with which all pixels share the same few lines of a cache."""


@rows(group=2)
def copy_pixels(x: Row, near: Row, number: Whole, pitch: Whole, step: Whole) -> None:
    """near = x, for a number of pixels."""
    for i in times(number):
        near.put(x.get(i * pitch), i * step)


class Following(NamedTuple):
    """Values of the next block of pixels: a row of `bytes` bytes in each, `step` bytes from one to the next."""

    address: int
    bytes: int
    step: int


@helper
def coming_line(number: int, x: Following, dy: Following, seen: Following) -> Ahead:
    """What the tile of a number prefetches: first lines of x, then of dy, then of what is behind it."""
    for some in (x, dy, seen):
        tiles = 2 * ((some.bytes + LINE - 1) // LINE)
        if number < tiles:
            return every_second(some.address, some.step, number)
        number -= tiles
    return Ahead(0, 0, 0)


@helper
def near_rows(
    dy: Vector, pixel: int, number: int, k: int, count: int, product: PixelGradient, pull: Pull, near: Vector, to: int
) -> Left:
    """Filters k and following of some pixels of dy; copied to `near`, where they are pulled."""
    at, pitch = pixel * product.diff_pitch + k, product.diff_pitch
    if not pull.of_dy.size:
        return Left(address(dy, at), 1, pitch)
    step, behind = product.row, pixel * pull.pitch + k
    pull_back(count, pull, behind, pull.pitch, dy, at, pitch, k, near, to, step, number)
    return Left(address(near, to), 1, step)


@helper
def near_columns(
    x: Vector,
    pixel: int,
    number: int,
    c: int,
    count: int,
    product: PixelGradient,
    apart: Apart,
    lens: Lens,
    near: Vector,
    panel: int,
) -> Right:
    """Channels c and following of some pixels of x; copied to `near` as a panel, where they do not lie well there."""
    pitch, i = product.pitch, 0
    if not (lens.factor.size or product.apart or pitch * x.itemsize % PAGE == 0):
        return Right(address(x, pixel * pitch + c), 0, pitch)
    while i < number:
        some = min(number - i, apart.columns - (pixel + i) % apart.columns) if product.apart else number
        at, step = pixel_at(pixel + i, apart) * pitch + c, apart.stride_x * pitch
        if lens.factor.size:
            scale_shift_pixels(
                count, x, at, lens.factor, c, lens.offset, c, near, i * panel, lens.low, some, step, panel
            )
        else:
            copy_pixels(count, x, at, near, i * panel, some, step, panel)
        i += some
    return Right(address(near, 0), 0, panel)


class Share(NamedTuple):
    """What a part multiplies: blocks of rows of a piece, panels of its columns; those as rows; its pixels."""

    begin: int
    end: int
    p_begin: int
    p_end: int
    top: int
    bottom: int
    first: int
    last: int


@helper
def share_of(part: int, pieces: int, product: PixelGradient, tiles: Tiling) -> Share:
    """The share of a part."""
    shares, panels = product.down * product.across, (product.channels + tiles.panel - 1) // tiles.panel
    begin, end = span(tiles.blocks, part % shares // product.across, product.down)
    p_begin, p_end = span(panels, part % product.across, product.across)
    top, bottom = rows_at(begin, tiles.rows, tiles.more)[0], rows_at(end, tiles.rows, tiles.more)[0]
    first, last = span(product.pixels, part // shares, pieces)
    return Share(begin, end, p_begin, p_end, top, bottom, first, last)


@kernel
def weight_gradient_pixels(
    x: Vector,
    dy: Vector,
    pieces: Matrix,
    scratch: Matrix,
    squares: Doubles,
    product: PixelGradient,
    apart: Apart,
    tiles: Tiling,
    lens: Lens,
    pull: Pull,
    add: int,
    part: int,
    parts: int,
) -> None:
    """pieces[s] = (with `add`: +=) dy^T x over the pixels of piece s, for filters of one tap.

    x: pixels of C channels, seen through a lens and `apart`; dy: (P, K), seen through a pull; pieces: (S, K, wide), of
    which C columns count. scratch: (parts, a panel of x's block of pixels, then the rows of dy's). A part owns rows and
    columns of one piece. A block of pixels stays near while it is multiplied; meanwhile the tiles prefetch the next
    one, which may be the next part's. squares: (at least parts,) or empty; squares[part] = the sum of squares of what
    the part writes, taken tile by tile.
    """
    c, wide, panel, size, near = product.channels, product.wide, tiles.panel, dy.itemsize, scratch[part]
    begin, end, p_begin, p_end, top, bottom, first, last = share_of(part, pieces.shape[0], product, tiles)
    piece, total = pieces[part // (product.down * product.across)], 0.0
    for pixel in range(first, last, product.deep):
        count, mode, number = min(product.deep, last - pixel), ADD if add or pixel > first else 0, 0
        then, sums = Share(begin, end, p_begin, p_end, top, bottom, pixel + count, last), Sums(1, one_tap(), count)
        if then.first == last:
            then = share_of(max(0, following(part, parts)), pieces.shape[0], product, tiles)
        columns, lines = (min(then.p_end * panel, c) - then.p_begin * panel) * size, (then.bottom - then.top) * size
        at = address(x, pixel_at(then.first, apart) * product.pitch + then.p_begin * panel)
        x_then = Following(at, columns * (1 - product.apart), product.pitch * size)
        at = address(dy, then.first * product.diff_pitch + then.top)
        dy_then = Following(at, lines, product.diff_pitch * size)
        at = address(pull.x, then.first * pull.pitch + then.top)
        pull_then = Following(at, lines if pull.of_dy.size else 0, pull.pitch * size)
        rows_of = near_rows(dy, pixel, count, top, bottom - top, product, pull, near, product.deep * panel + AIR)
        for p in range(p_begin, p_end):
            some, tail, tall, low = tiles_of(tiles, p, c)
            b = near_columns(x, pixel, count, p * panel, some, product, apart, lens, near, panel)
            for cut in range(begin, end):
                v, high = rows_at(cut, tiles.rows, tiles.more)
                a = Left(rows_of.address + (v - top) * size, 1, rows_of.step)
                result = Result(address(piece, v * wide + p * panel), wide, 0, mode, tail)
                soon = coming_line(number, x_then, dy_then, pull_then)
                number += 1
                multiply(tall if cut < tiles.more else low, sums, a, b, result, soon)
                if squares.size and pixel + count == last:
                    total += squares_of_rows(piece, v * wide + p * panel, wide, high, some)
    if squares.size:
        squares[part] = total
