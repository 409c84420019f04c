"""The chain's kernels with operands of products in bfloat16 too, for CPUs that multiply them; sums are float32.

What is read through a lens or a pull is rounded once more, and laid out as the instructions want it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np

from benchmarks.bfloat16.chain_floats import Array, Size
from benchmarks.bfloat16.numbers import narrow, narrow_run
from benchmarks.bfloat16.passes import OPTIONS, leave, pulled, seen
from benchmarks.bfloat16.tiles import SIDE, WAYS
from netspec.codegen.kernel import helper, span
from netspec.codegen.simd import clear_run
from netspec.codegen.tiles import address
from netspec.kernels.beside import leave_moments

AHEAD, BACK = 64, 256
"""Pixels of a block forward and backward."""


def floats_of(size: Size) -> int:
    """float32 values of scratch that a part needs."""
    return BACK * (size.k + 2 * size.c) + AHEAD * max(size.c, size.k) + 2 * size.k


def halves_of(size: Size) -> int:
    """bfloat16 values of scratch that a part needs."""
    return BACK * (max(size.c, size.k) + size.k + size.c)


@numba.njit(**OPTIONS)
def pack(w: Array, ahead: Array, back: Array) -> None:
    """w: (K, C). ahead: (K/16, C/2, 16, 2), panels of W^T; back: (C/16, K/2, 16, 2), panels of W; both bfloat16."""
    for o in range(w.shape[0]):
        for i in range(w.shape[1]):
            ahead[o // 16, i // 2, o % 16, i % 2] = back[i // 16, o // 2, i % 16, o % 2] = narrow(w[o, i])


@helper
def pair_rows(x: Array, pairs: Array, rows: int, c: int) -> None:
    """pairs (C/16, rows/2, 16), uint32 = x (rows, C), bfloat16, two rows side by side: panels of x."""
    for r in range(0, rows, 2):
        low, high = x[r * c : (r + 1) * c], x[(r + 1) * c : (r + 2) * c]
        for panel in range(c // 16):
            to = pairs[(panel * rows + r) * 8 : (panel * rows + r) * 8 + 16]
            one, two = low[panel * 16 : panel * 16 + 16], high[panel * 16 : panel * 16 + 16]
            for i in range(16):
                to[i] = np.uint32(one[i]) | (np.uint32(two[i]) << np.uint32(16))


@helper
def turn(x: Array, turned: Array, rows: int, k: int) -> None:
    """turned (K, rows) = x (rows, K), 32 of either at once."""
    for o0 in range(0, k, 32):
        for r0 in range(0, rows, 32):
            for o in range(o0, o0 + 32):
                line = turned[o * rows + r0 : o * rows + r0 + 32]
                for r in range(32):
                    line[r] = x[(r0 + r) * k + o]


@cache
def product_with(instructions: str) -> Callable[..., None]:
    """The product of blocks with these instructions, a name of `tiles.WAYS`."""
    add = WAYS[instructions][0]

    @helper
    def add_product(a: Any, rows: int, deep: int, b: int, columns: int, c: Any, at: int) -> None:
        """c[at :] (rows, columns) += a (rows, deep) b, panels at an address."""
        for j in range(0, columns, SIDE):
            for i in range(0, rows, SIDE):
                to = address(c, at + i * columns + j)
                add(deep, address(a, i * deep), 2 * deep, b + 2 * j * deep, to, 4 * columns)

    return add_product


@cache
def forward_with(instructions: str) -> Callable[..., None]:
    """`chain_floats.forward` with these instructions."""
    add_product, (_, prepare, release) = product_with(instructions), WAYS[instructions]

    @numba.njit(**OPTIONS)
    def forward(
        x: Array,
        panels: Array,
        y: Array,
        lens: Any,
        moments: Any,
        scratch: Any,
        config: int,
        size: Any,
        part: int,
        parts: int,
    ) -> None:
        c, k, room, near_half = size.c, size.k, scratch[0][part], scratch[1][part]
        near, raw, out = room[: AHEAD * c], room[AHEAD * c : 2 * AHEAD * c], room[2 * AHEAD * c :]
        first, last = span(size.pixels // AHEAD, part, parts)
        prepare(config)
        for block in range(first, last):
            pixel = block * AHEAD
            for r in range(AHEAD):
                seen(x, (pixel + r) * c, lens, near, r * c, raw, r * c, c)
            narrow_run(near, 0, near_half, 0, AHEAD * c)
            clear_run(out, 0, AHEAD * k)
            add_product(near_half, AHEAD, c, address(panels, 0), k, out, 0)
            leave_moments(out, 0, k, AHEAD, 0, k, moments, part, block == first)
            narrow_run(out, 0, y, pixel * k, AHEAD * k)
        release(config)

    return forward


@cache
def backward_with(instructions: str) -> Callable[..., None]:
    """`chain_floats.backward` with these instructions."""
    add_product, (_, prepare, release) = product_with(instructions), WAYS[instructions]

    @numba.njit(**OPTIONS)
    def backward(
        x: Array,
        dy: Array,
        panels: Array,
        dx: Array,
        beside: Any,
        pieces: Array,
        scratch: Any,
        config: int,
        size: Any,
        wanted: bool,
        part: int,
        parts: int,
    ) -> None:
        lens, pull, products = beside
        c, k, room, halves, piece = size.c, size.k, scratch[0][part], scratch[1][part], pieces[part]
        near_dy, near, raw = (
            room[: BACK * k],
            room[BACK * k : BACK * (k + c)],
            room[BACK * (k + c) : BACK * (k + 2 * c)],
        )
        rest = room[BACK * (k + 2 * c) :]
        out, pair = rest[2 * k :], rest[: 2 * k]
        pairs, turned, half = halves[: BACK * c], halves[BACK * c : BACK * (c + k)], halves[BACK * (c + k) :]
        first, last = span(size.pixels // BACK, part, parts)
        clear_run(piece, 0, k * c)
        prepare(config)
        for block in range(first, last):
            pixel = block * BACK
            for r in range(BACK):
                pulled(dy, pixel + r, pull, near_dy, r * k, pair, k)
                seen(x, (pixel + r) * c, lens, near, r * c, raw, r * c, c)
            narrow_run(near, 0, half, 0, BACK * c)
            pair_rows(half, pairs.view(np.uint32), BACK, c)
            narrow_run(near_dy, 0, half, 0, BACK * k)
            turn(half, turned, BACK, k)
            add_product(turned, k, BACK, address(pairs, 0), c, piece, 0)
            for s in range(0, BACK if wanted else 0, AHEAD):
                clear_run(out, 0, AHEAD * c)
                add_product(half[s * k :], AHEAD, k, address(panels, 0), c, out, 0)
                leave(x, out, 0, pixel + s, AHEAD, products, raw[s * c :], part, block == first and s == 0)
                narrow_run(out, 0, dx, (pixel + s) * c, AHEAD * c)
        release(config)

    return backward
