"""The chain's kernels with products in float32; blobs are float32 or bfloat16 in memory.

A layer is y = see(x) W^T: its bottom is read through the BatchNorm and ReLU before it, and it leaves the moments of y.
Backward reads the gradient of y through the pull of the BatchNorm behind it, block by block, for dW and for dX, which
it masks and sums for the BatchNorm before. So a BatchNorm has no passes of its own (`netspec/core/beside.py`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
from numpy.typing import NDArray

from benchmarks.bfloat16.passes import OPTIONS, bring, keep, leave, pulled, seen, target
from netspec.codegen.geometry import ADD
from netspec.codegen.kernel import span
from netspec.codegen.tiles import Left, Result, Right, Sums, address, multiply, one_tap, rows_at
from netspec.kernels.beside import leave_moments

Array = NDArray[Any]
AHEAD, BACK, TALL, PANEL, AIR = 56, 224, 14, 32, 16
"""Pixels of a block forward and backward; rows and columns of a tile; values between pixels of scratch, so that those
of a power of two of channels do not share the lines of a cache."""


class Size(NamedTuple):
    """P pixels of C channels become pixels of K."""

    pixels: int
    c: int
    k: int

    @property
    def scratch(self) -> int:
        """float32 values of scratch that a part needs: backward's, which are more."""
        return BACK * (self.k + 2 * self.c + 2 * AIR) + AHEAD * max(self.c, self.k) + 2 * self.k


@numba.njit(**OPTIONS)
def pack(w: Array, ahead: Array, back: Array) -> None:
    """w: (K, C). ahead: (K/32, C, 32), panels of W^T; back: (C/32, K, 32), panels of W."""
    for o in range(w.shape[0]):
        for i in range(w.shape[1]):
            ahead[o // PANEL, i, o % PANEL] = back[i // PANEL, o, i % PANEL] = w[o, i]


@numba.njit(**OPTIONS)
def forward(
    x: Array,
    panels: Array,
    y: Array,
    lens: Any,
    moments: Any,
    scratch: Array,
    tile: int,
    size: Any,
    part: int,
    parts: int,
) -> None:
    """y (P, K) = x (P, C), seen through the lens, times panels; the moments of y. A part owns blocks of pixels."""
    c, k, room, wide = size.c, size.k, scratch[part], size.c + AIR
    near, raw, out = room[: AHEAD * wide], room[AHEAD * wide : AHEAD * (wide + c)], room[AHEAD * (wide + c) :]
    first, last = span(size.pixels // AHEAD, part, parts)
    for block in range(first, last):
        pixel = block * AHEAD
        for r in range(AHEAD):
            seen(x, (pixel + r) * c, lens, near, r * wide, raw, r * c, c)
        to, at = target(y, pixel * k, out)
        for p in range(k // PANEL):
            right = Right(address(panels, p * c * PANEL), 0, PANEL)
            for r in range(0, AHEAD, TALL):
                result = Result(address(to, at + r * k + p * PANEL), k, 0, 0, 16)
                multiply(tile, Sums(1, one_tap(), c), Left(address(near, r * wide), wide, 1), right, result)
        leave_moments(to, at, k, AHEAD, 0, k, moments, part, block == first)
        keep(y, pixel * k, out, 0, AHEAD * k)


@numba.njit(**OPTIONS)
def backward(
    x: Array,
    dy: Array,
    panels: Array,
    dx: Array,
    beside: Any,
    pieces: Array,
    scratch: Array,
    tiles: Any,
    size: Any,
    wanted: bool,
    part: int,
    parts: int,
) -> None:
    """pieces[part] (K, C) = dy^T x over a part's pixels; where `wanted`, dx (P, C) = dy times panels, masked, and sums.

    x and dy are read through `beside` = (lens, pull, products); tiles: (that of dx, the tiling of dW). A part owns
    blocks of pixels.
    """
    (lens, pull, products), (tile, tiling) = beside, tiles
    c, k, room, piece = size.c, size.k, scratch[part], pieces[part]
    wide, wide_dy = c + AIR, k + AIR
    near_dy, room = room[: BACK * wide_dy], room[BACK * wide_dy :]
    near, room = room[: BACK * wide], room[BACK * wide :]
    raw, rest = room[: BACK * c], room[BACK * c :]
    out, pair = rest[2 * k :], rest[: 2 * k]
    first, last = span(size.pixels // BACK, part, parts)
    for block in range(first, last):
        pixel, mode = block * BACK, ADD if block > first else 0
        for r in range(BACK):
            pulled(dy, pixel + r, pull, near_dy, r * wide_dy, pair, k)
            seen(x, (pixel + r) * c, lens, near, r * wide, raw, r * c, c)
        for cut in range(tiling.blocks):
            v, _ = rows_at(cut, tiling.rows, tiling.more)
            left, code = Left(address(near_dy, v), 1, wide_dy), tiling.tall if cut < tiling.more else tiling.low
            for p in range(c // PANEL):
                result = Result(address(piece, v * c + p * PANEL), c, 0, mode, 16)
                right = Right(address(near, p * PANEL), 0, wide)
                multiply(code, Sums(1, one_tap(), BACK), left, right, result)
        for s in range(0, BACK if wanted else 0, AHEAD):
            to, at = target(dx, (pixel + s) * c, out)
            for p in range(c // PANEL):
                right = Right(address(panels, p * k * PANEL), 0, PANEL)
                for r in range(0, AHEAD, TALL):
                    result = Result(address(to, at + r * c + p * PANEL), c, 0, 0, 16)
                    left = Left(address(near_dy, (s + r) * wide_dy), wide_dy, 1)
                    multiply(tile, Sums(1, one_tap(), k), left, right, result)
            leave(x, to, at, pixel + s, AHEAD, products, raw[s * c :], part, block == first and s == 0)
            keep(dx, (pixel + s) * c, out, 0, AHEAD * c)


@numba.njit(**OPTIONS)
def finish(x: Array, lens: Any, y: Array, scratch: Array, c: int, part: int, parts: int) -> None:
    """y (P, C) = x seen through a lens: the top of the last BatchNorm and ReLU. A part owns pixels."""
    near, raw = scratch[part][:c], scratch[part][c : 2 * c]
    for pixel in range(*span(x.size // c, part, parts)):
        to, at = target(y, pixel * c, near)
        seen(x, pixel * c, lens, to, at, raw, 0, c)
        keep(y, pixel * c, near, 0, c)


@numba.njit(**OPTIONS)
def begin(x: Array, dy: Array, products: Any, scratch: Array, c: int, part: int, parts: int) -> None:
    """Mask dy (P, C), the gradient of that top, and leave its sums. A part owns blocks of pixels."""
    near, raw = scratch[part][: AHEAD * c], scratch[part][AHEAD * c : 2 * AHEAD * c]
    first, last = span(x.size // c // AHEAD, part, parts)
    for block in range(first, last):
        pixel = block * AHEAD
        to, at = target(dy, pixel * c, near)
        bring(dy, pixel * c, near, AHEAD * c)
        bring(x, pixel * c, raw, AHEAD * c)
        leave(x, to, at, pixel, AHEAD, products, raw, part, block == first)
        keep(dy, pixel * c, near, 0, AHEAD * c)
