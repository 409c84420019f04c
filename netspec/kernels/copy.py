"""Moving values: fill, copy, repeat, accumulate, transpose, and the blocks of a concatenation."""

from __future__ import annotations

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Bytes, Ints, Vector
from netspec.codegen.rows import Row, rows
from netspec.codegen.simd import lanes_of
from netspec.codegen.turn import join_pairs, part_pairs, turn_tile


@rows(group=2)
def move(x: Row, y: Row) -> None:
    """y = x."""
    y.put(x.get())


@kernel
def fill(x: Vector, value: float, part: int, parts: int) -> None:
    """x: (M,). Every element becomes `value`."""
    first, last = span(x.size, part, parts)
    x = x[first:last]
    for i in range(x.size):
        x[i] = value


@kernel
def fill_items(x: Vector, items: int, number: Ints, value: float, part: int, parts: int) -> None:
    """x: (M,). The first `number` (1,) of the `items` that x holds become `value`, those behind them 0."""
    first, last = span(x.size, part, parts)
    end = x.size // max(items, 1) * number[0]
    for i in range(first, last):
        x[i] = value if i < end else 0.0


@kernel
def copy(x: Vector, y: Vector, part: int, parts: int) -> None:
    """x, y: (M,). y = x."""
    first, last = span(x.size, part, parts)
    move(last - first, x, first, y, first)


@kernel
def copy_bytes(x: Bytes, y: Bytes, part: int, parts: int) -> None:
    """x, y: (M,), of numbers of any type. y = x."""
    first, last = span(x.size, part, parts)
    x, y = x[first:last], y[first:last]
    for i in range(x.size):
        y[i] = x[i]


@kernel
def accumulate(x: Vector, y: Vector, part: int, parts: int) -> None:
    """x, y: (M,). y += x."""
    first, last = span(x.size, part, parts)
    x, y = x[first:last], y[first:last]
    for i in range(x.size):
        y[i] += x[i]


@kernel
def repeat(w: Vector, wide: Vector, value: float, part: int, parts: int) -> None:
    """wide (width,) = w (C,) repeated; `value` everywhere where w is empty."""
    for i in range(wide.size):
        wide[i] = w[i % w.size] if w.size else value


CHUNK = 4096
"""Values of a block that are moved at a time: several threads may share a long block."""


@helper
def blocks(
    x: Vector, x_pitch: int, x0: int, y: Vector, y_pitch: int, y0: int, number: int, width: int, part: int, parts: int
) -> None:
    """y[i*y_pitch + y0 :] = x[i*x_pitch + x0 :] for `width` values of each of a number of blocks."""
    chunks = (width + CHUNK - 1) // CHUNK
    first, last = span(number * chunks, part, parts)
    i, chunk = first // chunks, first % chunks
    for _ in range(first, last):
        start = chunk * CHUNK
        move(min(CHUNK, width - start), x, i * x_pitch + x0 + start, y, i * y_pitch + y0 + start)
        chunk += 1
        if chunk == chunks:
            i, chunk = i + 1, 0


@kernel
def concat_forward(x: Vector, y: Vector, width: int, pitch: int, offset: int, part: int, parts: int) -> None:
    """x: (M*width,), y: (M*pitch,). Block i of x goes to y from i*pitch + offset on."""
    blocks(x, width, 0, y, pitch, offset, x.size // width, width, part, parts)


@kernel
def concat_backward(dx: Vector, dy: Vector, width: int, pitch: int, offset: int, part: int, parts: int) -> None:
    """dx: (M*width,), dy: (M*pitch,). Block i of dx comes from dy from i*pitch + offset on."""
    blocks(dy, pitch, offset, dx, width, 0, dx.size // width, width, part, parts)


TILE = 128
"""Pixels that are transposed at a time: a few cache lines of each channel."""
FEW = 8
"""With fewer channels than FEW, values are moved one by one."""


@helper
def join_colours(x: Vector, step: int, y: Vector) -> None:
    """y (3*M,) = three rows of x, `step` apart, number by number."""
    for i in range(y.size // 3):
        y[3 * i] = x[i]
        y[3 * i + 1] = x[i + step]
        y[3 * i + 2] = x[i + 2 * step]


@helper
def part_colours(x: Vector, y: Vector, step: int) -> None:
    """Three rows of y, `step` apart, = x (3*M,), taken apart."""
    for i in range(x.size // 3):
        y[i] = x[3 * i]
        y[i + step] = x[3 * i + 1]
        y[i + 2 * step] = x[3 * i + 2]


@helper
def turn(x: Vector, x0: int, x_step: int, y: Vector, y0: int, y_step: int, rows: int, columns: int) -> None:
    """y[y0 + j*y_step + i] = x[x0 + i*x_step + j] for i < rows, j < columns."""
    if rows == 2 and y_step == 2:
        join_pairs(x, x0, y, y0, x_step, columns)
    elif columns == 2 and x_step == 2:
        part_pairs(x, x0, y, y0, y_step, rows)
    elif rows < FEW:
        for i in range(rows):
            for j in range(columns):
                y[y0 + j * y_step + i] = x[x0 + i * x_step + j]
    elif columns < FEW:
        for j in range(columns):
            for i in range(rows):
                y[y0 + j * y_step + i] = x[x0 + i * x_step + j]
    else:
        lanes = lanes_of(x)
        for i in range(0, rows, lanes):
            for j in range(0, columns, lanes):
                turn_tile(x, x0 + i * x_step + j, x_step, y, y0 + j * y_step + i, y_step, rows - i, columns - j)


@kernel
def to_channels_last(x: Vector, y: Vector, n: int, c: int, pixels: int, part: int, parts: int) -> None:
    """x: (n, c, pixels), y: (n, pixels, c), both flat. y = x with the channels innermost.

    A part writes whole pixels.
    """
    tiles = (pixels + TILE - 1) // TILE
    for unit in range(*span(n * tiles, part, parts)):
        image, first = unit // tiles * pixels * c, unit % tiles * TILE
        number, to = min(TILE, pixels - first), image + first * c
        if c == 3:
            join_colours(x[image + first :], pixels, y[to : to + 3 * number])
        else:
            turn(x, image + first, pixels, y, to, c, c, number)


@kernel
def to_channels_first(x: Vector, y: Vector, n: int, c: int, pixels: int, part: int, parts: int) -> None:
    """x: (n, pixels, c), y: (n, c, pixels), both flat. y = x with the pixels innermost.

    A part writes its pixels of every channel.
    """
    tiles = (pixels + TILE - 1) // TILE
    for unit in range(*span(n * tiles, part, parts)):
        image, first = unit // tiles * pixels * c, unit % tiles * TILE
        number, frm = min(TILE, pixels - first), image + first * c
        if c == 3:
            part_colours(x[frm : frm + 3 * number], y[image + first :], pixels)
        else:
            turn(x, frm, c, y, image + first, pixels, number, c)
