"""Sums at every so many lines and columns of their bottoms, and the diffs that these get."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.core.beside import Lens, Products
from netspec.core.calls import Run
from netspec.kernels.far import FAR
from netspec.layers.base import Layer
from tests.helpers.beside import Array, check_products, masked, run_of, run_on, seen, some_lens, some_products
from tests.helpers.checks import blob, make_layer

CASES = [((3, 5, 4, 19), (2, 3)), ((1, 7, 6, 16), (3, 2)), ((2, 9, 13, 130), (2, 2)), ((2, 4, 3, 300), (4, 1))]
"""Shapes of the bottoms, and the steps in lines and columns."""
TOLERANCE = {"float64": 1e-12, "float32": 3e-6}


def eltwise(**fields: Any) -> Layer:
    return make_layer("Eltwise", bottom=["a", "b"], **fields)


def some(number: int, shape: tuple[int, ...], dtype: str = "float64") -> list[Array]:
    return [blob(*shape, seed=seed).astype(dtype) for seed in range(number)]


def apart(x: Array, every: tuple[int, int]) -> Array:
    return np.ascontiguousarray(x[:, :: every[0], :: every[1]])


def spread(dy: Array, shape: tuple[int, ...], every: tuple[int, int]) -> Array:
    """dy at its pixels of a blob of a shape, and 0 at the others."""
    dx = np.zeros(shape, dy.dtype)
    dx[:, :: every[0], :: every[1]] = dy
    return dx


def run_apart(
    layer: Layer, x: list[Array], every: tuple[int, int], top_diff: Array | None = None, **fields: Any
) -> Run:
    """A run whose top has some pixels only."""
    n, h, w, c = apart(x[0], every).shape
    given = {"top": (np.full((n, h, w, c), np.nan, x[0].dtype),), "top_shapes": ((n, c, h, w),), "every": every}
    return run_of(layer, x, top_diff, **{**given, **fields})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "every"), CASES)
@pytest.mark.parametrize("which", [(0,), (1,), (0, 1), ()])
@pytest.mark.parametrize("relu", [True, False])
def test_a_sum_at_some_pixels(
    relu: bool, which: tuple[int, ...], shape: tuple[int, ...], every: tuple[int, int], dtype: str
) -> None:
    x, c, layer = some(2, shape, dtype), shape[-1], eltwise(coeff=[1, -2])
    lenses = tuple(some_lens(c, i, (math.nan, 0.0)[i], dtype) if i in which else None for i in range(2))
    run = run_apart(layer, x, every, relu=relu, lenses=lenses)
    driver.run(layer.forward(run), dtype)
    wanted = apart(seen(x[0], lenses[0]) - 2 * seen(x[1], lenses[1]), every)
    wanted = np.maximum(wanted, 0) if relu else wanted
    np.testing.assert_allclose(run.top[0], wanted, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("shape", "every"), CASES)
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("together", [True, False])
def test_diffs_are_spread(
    together: bool, relu: bool, shape: tuple[int, ...], every: tuple[int, int], dtype: str
) -> None:
    """Where both bottoms' diffs lie in one place, it is written once; each BatchNorm gets its sums."""
    x, (y, dy), layer = some(2, shape, dtype), some(2, apart(np.zeros(shape), every).shape, dtype), eltwise()
    diffs = tuple(np.full_like(one, np.nan) for one in x)
    diffs = (diffs[0], diffs[0]) if together else diffs
    products = [some_products(x[i], some_lens(shape[-1], i, math.nan, dtype), 4, seed=i) for i in range(2)]
    run = run_apart(layer, x, every, dy, relu=relu, top=(y,), bottom_diff=diffs, products=tuple(products))
    before = dy.copy()
    driver.run(layer.backward(run), dtype)
    wanted = spread(np.where(y > 0, before, 0) if relu else before, shape, every)
    for diff, asked in zip(diffs, products, strict=True):
        np.testing.assert_array_equal(diff, wanted)
        check_products(asked, wanted, 100 * TOLERANCE[dtype])


@pytest.mark.parametrize(("shape", "every"), CASES)
def test_diffs_are_added_and_multiplied(shape: tuple[int, ...], every: tuple[int, int]) -> None:
    """The products of a diff that others wrote before are taken over all pixels; each ReLU masks its own diff."""
    x, (y, dy), layer = some(2, shape), some(2, apart(np.zeros(shape), every).shape), eltwise(coeff=[-1.5, 0.5])
    began = blob(*shape, seed=9)
    diffs = (began.copy(), np.full(shape, np.nan))
    products = tuple(some_products(x[i], some_lens(shape[-1], i, 0.0), 3, seed=i) for i in range(2))
    adds = {"bottom_add": (True, False), "bottom_diff": diffs, "products": products}
    driver.run(layer.backward(run_apart(layer, x, every, dy, relu=True, top=(y,), **adds)), "float64")
    wanted = spread(np.where(y > 0, dy, 0), shape, every)
    sums = masked(began - 1.5 * wanted, products[0]), masked(0.5 * wanted, products[1])
    for diff, asked, total in zip(diffs, products, sums, strict=True):
        np.testing.assert_allclose(diff, total, rtol=1e-14, atol=1e-15)
        check_products(asked, total)


def test_more_pieces_than_lines() -> None:
    """Pieces without a line hold sums of 0; without a lens or a ReLU, too."""
    shape, every, layer = (1, 3, 8, 21), (2, 2), eltwise()
    x, (y, dy) = some(2, shape), some(2, (1, 2, 4, 21))
    asked = some_products(x[1], some_lens(21, 1), 7)
    nothing: tuple[Products | None, ...] = (None, asked)
    diff = np.full(shape, np.nan)
    run = run_apart(layer, x, every, dy, relu=True, top=(y,), bottom_diff=(None, diff), products=nothing)
    driver.run(layer.backward(run), "float64")
    wanted = spread(np.where(y > 0, dy, 0), shape, every)
    np.testing.assert_array_equal(diff, wanted)
    check_products(asked, wanted)


@pytest.mark.parametrize("beside", [0, 1])
@pytest.mark.parametrize(("shape", "every"), [((3, 57, 68, 96), (2, 2)), ((2, 131, 59, 72), (3, 2))])
def test_far_diffs_are_written_past_the_caches(shape: tuple[int, ...], every: tuple[int, int], beside: int) -> None:
    """Whether vectors lie on lines of the cache or beside them: nothing is left out, and nothing else written."""
    x, (y, dy), layer = some(2, shape, "float32"), some(2, apart(np.zeros(shape), every).shape, "float32"), eltwise()
    size = math.prod(shape)
    memory = np.full(size + 99, 9, np.float32)
    begin = -memory.ctypes.data // 4 % 16 + beside
    diff = memory[begin : begin + size].reshape(shape)
    assert diff.nbytes >= FAR
    asked = some_products(x[1], some_lens(shape[-1], 1, dtype="float32"), 16)
    diffs = (np.full_like(diff, np.nan), diff)
    run = run_apart(layer, x, every, dy, relu=True, top=(y,), bottom_diff=diffs, products=(None, asked))
    driver.run(layer.backward(run), "float32")
    wanted = spread(np.where(y > 0, dy, 0), shape, every)
    for one in diffs:
        np.testing.assert_array_equal(one, wanted)
    check_products(asked, wanted, 1e-4)
    assert set(memory[:begin]) | set(memory[begin + size :]) == {9}


def test_a_lens_shows_nan_and_infinity() -> None:
    x = [np.full((1, 3, 3, 3), 7.0), np.zeros((1, 3, 3, 3))]
    x[0][0, ::2, ::2] = np.array([np.nan, np.inf, -np.inf])
    run = run_apart(eltwise(), x, (2, 2), lenses=(Lens(np.ones(3), np.zeros(3), 0.0), None))
    driver.run(eltwise().forward(run), "float64")
    np.testing.assert_array_equal(run.top[0], np.broadcast_to([np.nan, np.inf, 0], (1, 2, 2, 3)))


def test_bits_do_not_depend_on_threads() -> None:
    shape, every, layer, left = (2, 40, 27, 35), (2, 3), eltwise(), []
    for threads in (1, 2):
        x = some(2, shape, "float32")
        (dy,) = some(1, apart(x[0], every).shape, "float32")
        lenses = tuple(some_lens(35, i, dtype="float32") for i in range(2))
        products = tuple(some_products(x[i], lenses[i], 4) for i in range(2))
        diff = np.full_like(x[0], np.nan)
        run = run_apart(layer, x, every, dy, relu=True, lenses=lenses, products=products, bottom_diff=(diff, diff))
        run_on(threads, layer, run)
        left.append([run.top[0], diff, *(one.pieces.values for one in products)])
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*left, strict=True))


def test_a_convolution_of_the_pixels_that_it_looks_at() -> None:
    """Filters of one tap without padding look at every so many lines and columns; the dense layer at all of those."""
    fields: dict[str, Any] = {"num_output": 4, "kernel_size": 1, "stride_h": 2, "stride_w": 3}
    layer = make_layer("Convolution", **fields)
    assert layer.every(((2, 3, 7, 8),)) == (2, 3)
    dense = layer.dense()
    assert dense.every(((2, 3, 4, 3),)) == (1, 1)
    assert dense.top_shapes(((2, 3, 4, 3),)) == layer.top_shapes(((2, 3, 7, 8),)) == ((2, 4, 4, 3),)
    for other in ({"kernel_size": 3}, {"pad": 1}, {"engine": "DIRECT"}, {"axis": 2}):
        assert make_layer("Convolution", **{**fields, **other}).every(((2, 6, 7, 8),)) == (1, 1), other
    assert make_layer("Convolution", group=3, **{**fields, "num_output": 6}).every(((2, 3, 7, 8),)) == (1, 1)
    assert make_layer("Pooling", kernel_size=1, stride=2).every(((2, 3, 7, 8),)) == (1, 1)
