"""Moving values about: fill, copy, accumulate, scale, transpose, and the blocks of a concatenation."""

from __future__ import annotations

from netspec.kernels.jit import Matrix, Vector, kernel, span


@kernel
def fill(x: Vector, value: float, part: int, parts: int) -> None:
    """x: (M,). Every element becomes `value`."""
    first, last = span(x.size, part, parts)
    x = x[first:last]
    for i in range(x.size):
        x[i] = value


@kernel
def copy(x: Vector, y: Vector, part: int, parts: int) -> None:
    """x, y: (M,). y = x."""
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
def transpose(x: Matrix, y: Matrix, part: int, parts: int) -> None:
    """x: (M, N), y: (N, M). y = x^T, in tiles of 16 x 16 so that both sides use whole cache lines; a part writes rows of y."""
    m, n = x.shape
    first, last = span(n, part, parts)
    for i0 in range(0, m, 16):
        for j0 in range(first, last, 16):
            for j in range(j0, min(j0 + 16, last)):
                for i in range(i0, min(i0 + 16, m)):
                    y[j, i] = x[i, j]


@kernel
def concat_forward(x: Vector, y: Vector, width: int, pitch: int, offset: int, part: int, parts: int) -> None:
    """x: (M*width,), y: (M*pitch,). Block i of x goes to y from i*pitch + offset on."""
    for i in range(*span(x.size // width, part, parts)):
        block, place = x[i * width : (i + 1) * width], y[i * pitch + offset : i * pitch + offset + width]
        for j in range(width):
            place[j] = block[j]


@kernel
def concat_backward(dx: Vector, dy: Vector, width: int, pitch: int, offset: int, part: int, parts: int) -> None:
    """dx: (M*width,), dy: (M*pitch,). Block i of dx comes from dy from i*pitch + offset on."""
    for i in range(*span(dx.size // width, part, parts)):
        block, place = dx[i * width : (i + 1) * width], dy[i * pitch + offset : i * pitch + offset + width]
        for j in range(width):
            block[j] = place[j]


TILE = 16
"""Channels and pixels of a tile that is turned at a time: a cache line of either side."""


@kernel
def to_channels_last(x: Vector, y: Vector, n: int, c: int, pixels: int, part: int, parts: int) -> None:
    """x: (n, c, pixels), y: (n, pixels, c), both flat. y = x with the channels innermost. A part writes whole pixels."""
    tiles = (pixels + TILE - 1) // TILE
    for unit in range(*span(n * tiles, part, parts)):
        image, first = unit // tiles * pixels, unit % tiles * TILE
        last = min(first + TILE, pixels)
        for c0 in range(0, c, TILE):
            for p in range(first, last):
                for channel in range(c0, min(c0 + TILE, c)):
                    y[(image + p) * c + channel] = x[image * c + channel * pixels + p]


@kernel
def to_channels_first(x: Vector, y: Vector, n: int, c: int, pixels: int, part: int, parts: int) -> None:
    """x: (n, pixels, c), y: (n, c, pixels), both flat. y = x with the pixels innermost. A part writes its pixels of every channel."""
    tiles = (pixels + TILE - 1) // TILE
    for unit in range(*span(n * tiles, part, parts)):
        image, first = unit // tiles * pixels, unit % tiles * TILE
        last = min(first + TILE, pixels)
        for c0 in range(0, c, TILE):
            for channel in range(c0, min(c0 + TILE, c)):
                for p in range(first, last):
                    y[image * c + channel * pixels + p] = x[(image + p) * c + channel]
