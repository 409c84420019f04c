"""Register tiles by themselves: every kind computes the product it says, touches nothing else, and the same bits."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest

from netspec.codegen import tiles
from netspec.codegen.geometry import ADD, APART, RECTIFY
from netspec.codegen.tiles import Ahead, Left, Result, Right, Sums, multiply

NOTHING = Ahead(0, 0, 0)


@numba.njit
def call(code: int, sums: Sums, left: Left, right: Right, result: Result, ahead: Ahead) -> None:
    """Call a tile: twice where something is ahead, the first time with nothing ahead."""
    multiply(code, sums, left, right, result)
    if ahead.step:
        multiply(code, sums, left, right, result, ahead)


def product(
    kind: tiles.Kind, strides: tuple[int, int], k: int, tail: int, mode: int, ahead: Ahead = NOTHING
) -> tuple[Any, Any]:
    """(C as a tile of 3 rows and 2 vectors writes it, C as NumPy computes it in float64): two taps, rows 40 apart."""
    random, lanes, rows = np.random.default_rng(k), tiles.lanes("float32"), 3
    pitch, step = strides
    columns, taps, ldb = lanes + tail, np.array([7, 2], np.int64), 2 * lanes + 3
    a = random.standard_normal(7 + rows * pitch + k * step).astype(np.float32)
    b = random.standard_normal((2 * k - 1) * ldb + columns).astype(np.float32)
    bias = random.standard_normal(columns).astype(np.float32)
    c = random.standard_normal((rows, 40)).astype(np.float32)
    wanted = c.astype(np.float64)
    total = np.zeros((rows, columns)) + bias
    for t, offset in enumerate(taps):
        for i in range(k):
            at = offset + np.arange(rows) * pitch + i * step
            total += np.outer(a[at].astype(np.float64), b[(t * k + i) * ldb :][:columns])
    total += wanted[:, :columns] * bool(mode & ADD)
    wanted[:, :columns] = np.maximum(total, 0) if mode & RECTIFY else total
    call(
        tiles.tile(rows, 2, kind).address("float32"),
        Sums(2, taps.ctypes.data, k),
        Left(a.ctypes.data, pitch, step),
        Right(b.ctypes.data, k * ldb, ldb),
        Result(c.ctypes.data, 40, bias.ctypes.data, mode, tail),
        ahead,
    )
    return c, wanted


@pytest.mark.parametrize("kind", tiles.KINDS)
@pytest.mark.parametrize("k", [1, 2, 7])
def test_a_tile_is_a_product(kind: tiles.Kind, k: int) -> None:
    strides = {"across": (1, 13), "any": (11, 3), "rows": (11, 3), "near": (APART, 1)}[kind]
    for tail in (1, tiles.lanes("float32")):
        for mode in (0, ADD, ADD | RECTIFY):
            c, wanted = product(kind, strides, k, tail, mode)
            np.testing.assert_allclose(c, wanted, rtol=0, atol=2e-5)


def test_kinds_compute_the_same_bits() -> None:
    any_ = product("any", (1, 13), 7, 3, ADD)[0]
    np.testing.assert_array_equal(product("across", (1, 13), 7, 3, ADD)[0], any_)
    np.testing.assert_array_equal(product("rows", (1, 13), 7, 3, ADD)[0], any_)


def test_what_is_ahead_may_lie_anywhere() -> None:
    c, wanted = product("across", (1, 13), 5, 3, 0, Ahead(2**40, 2**20, 2**30))
    np.testing.assert_allclose(c, wanted, rtol=0, atol=2e-5)


def test_a_tile_is_one_object_however_it_is_asked_for() -> None:
    assert tiles.tile(3, 2) is tiles.tile(rows=3, vectors=2, kind="any") is tiles.any_3_2
