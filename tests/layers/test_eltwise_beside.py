"""Sums that do the work of BatchNorms beside them: bottoms seen through lenses, diffs handed on, sums left."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.core.beside import Lens
from netspec.kernels.far import FAR
from netspec.layers.base import Layer
from tests.helpers.beside import (
    Array,
    check_moments,
    check_products,
    masked,
    no_moments,
    run_of,
    run_on,
    seen,
    some_lens,
    some_products,
)
from tests.helpers.checks import blob, make_layer

SHAPES = [(3, 5, 4, 19), (1, 7, 6, 16), (2, 9, 13, 130)]
TOLERANCE = {"float64": 1e-12, "float32": 3e-6}


def eltwise(bottoms: int = 2, **fields: Any) -> Layer:
    return make_layer("Eltwise", bottom=["a", "b", "c"][:bottoms], **fields)


def some(number: int, shape: tuple[int, ...], dtype: str = "float64") -> list[Array]:
    return [blob(*shape, seed=seed).astype(dtype) for seed in range(number)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("which", [(0,), (1,), (0, 1), ()])
def test_a_sum_sees_its_bottoms_through_lenses(shape: tuple[int, ...], which: tuple[int, ...], dtype: str) -> None:
    x, c = some(2, shape, dtype), shape[-1]
    lenses = tuple(some_lens(c, i, (math.nan, 0.0)[i], dtype) if i in which else None for i in range(2))
    moments = no_moments(5, c)
    run = run_of(eltwise(coeff=[1, -2]), x, relu=True, lenses=lenses, moments=moments)
    driver.run(eltwise(coeff=[1, -2]).forward(run), dtype)
    wanted = np.maximum(seen(x[0], lenses[0]) - 2 * seen(x[1], lenses[1]), 0)
    np.testing.assert_allclose(run.top[0], wanted, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    check_moments(moments, run.top[0], TOLERANCE[dtype])


@pytest.mark.parametrize("beside", [0, 1])
@pytest.mark.parametrize("which", [(0,), (0, 1)])
@pytest.mark.parametrize(("shape", "far"), [((3, 56, 68, 96), True), ((2, 131, 59, 72), True), ((3, 5, 4, 96), False)])
def test_a_far_sum_is_written_past_the_caches(
    shape: tuple[int, ...], far: bool, which: tuple[int, ...], beside: int
) -> None:
    """Whether its vectors lie on lines of the cache or beside them: nothing is left out, and nothing else written."""
    x, c, size = some(2, shape, "float32"), shape[-1], math.prod(shape)
    memory = np.full(size + 99, 9, np.float32)
    begin = -memory.ctypes.data // 4 % 16 + beside
    lenses = tuple(some_lens(c, i, 0.0, "float32") if i in which else None for i in range(2))
    run = replace(run_of(eltwise(), x, lenses=lenses), top=(memory[begin : begin + size].reshape(shape),))
    assert (run.top[0].nbytes >= FAR) == far
    driver.run(eltwise().forward(run), "float32")
    wanted = seen(x[0], lenses[0]) + seen(x[1], lenses[1])
    np.testing.assert_allclose(run.top[0], wanted, rtol=3e-6, atol=3e-6)
    assert set(memory[:begin]) | set(memory[begin + size :]) == {9}


@pytest.mark.parametrize("which", [(0,), (1, 2), (2,), (0, 1, 2)])
def test_three_bottoms_through_lenses(which: tuple[int, ...]) -> None:
    x = some(3, (2, 3, 5, 7))
    lenses = tuple(some_lens(7, i) if i in which else None for i in range(3))
    moments = no_moments(2, 7)
    run = run_of(eltwise(3), x, lenses=lenses, moments=moments)
    driver.run(eltwise(3).forward(run), "float64")
    wanted = sum(seen(each, lens) for each, lens in zip(x, lenses, strict=True))
    np.testing.assert_allclose(run.top[0], wanted, rtol=1e-12, atol=1e-12)
    check_moments(moments, run.top[0])


def test_a_lens_shows_nan_and_infinity() -> None:
    x = [np.array([np.nan, np.inf, -np.inf]).reshape(1, 1, 1, 3), np.zeros((1, 1, 1, 3))]
    run = run_of(eltwise(), x, lenses=(Lens(np.ones(3), np.zeros(3), 0.0), None))
    driver.run(eltwise().forward(run), "float64")
    np.testing.assert_array_equal(run.top[0].ravel(), [np.nan, np.inf, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("relu", [True, False])
@pytest.mark.parametrize("there", [(0,), (1,), (0, 1), ()])
def test_diffs_are_handed_on(there: tuple[int, ...], relu: bool, shape: tuple[int, ...], dtype: str) -> None:
    y, dy, *x = some(4, shape, dtype)
    diffs = tuple(dy if i in there else np.full_like(dy, np.nan) for i in range(2))
    products = [some_products(x[i], some_lens(shape[-1], i, math.nan, dtype), 4, seed=i) for i in range(2)]
    wanted = np.where(y > 0, dy, 0) if relu else dy.copy()
    layer = eltwise()
    run = run_of(layer, x, dy, relu=relu, top=(y,), bottom_diff=diffs, products=tuple(products))
    driver.run(layer.backward(run), dtype)
    for diff, asked in zip(diffs, products, strict=True):
        np.testing.assert_array_equal(diff, wanted)
        check_products(asked, wanted, 100 * TOLERANCE[dtype])


@pytest.mark.parametrize("layout_axes", [(2, 3, 5, 7), (2, 5), (70,)])
def test_diffs_are_handed_on_where_nothing_is_asked(layout_axes: tuple[int, ...]) -> None:
    y, dy, a, b = some(4, layout_axes)
    layer = eltwise(2, coeff=[1, 1])
    assert layer.abilities.hands and not eltwise(coeff=[1, 2]).abilities.hands
    assert not eltwise(operation="MAX").abilities.hands
    began, wanted = blob(*layout_axes, seed=9), np.where(y > 0, dy, 0)
    there = run_of(layer, some(2, (2, 3, 5, 7)), dy, relu=True)
    diff = began.copy()
    run = replace(there, bottom=(a, b), top=(y,), bottom_diff=(diff, dy), bottom_add=(True, False), layout="NCHW")
    driver.run(layer.backward(run), "float64")
    np.testing.assert_array_equal(dy, wanted)
    np.testing.assert_allclose(diff, began + wanted, rtol=1e-15)


def test_three_bottoms_of_which_the_second_stays_and_the_last_has_a_relu_of_its_own() -> None:
    shape, layer = (2, 3, 5, 20), eltwise(3)
    y, dy, *x = some(5, shape)
    products = (None, some_products(x[1], some_lens(20, 1), 3), some_products(x[2], some_lens(20, 2, 0.0), 3))
    began, wanted = blob(*shape, seed=9), np.where(y > 0, dy, 0)
    diffs = (began.copy(), dy, np.full(shape, np.nan))
    run = run_of(
        layer, x, dy, relu=True, top=(y,), bottom_diff=diffs, products=products, bottom_add=(True, False, False)
    )
    driver.run(layer.backward(run), "float64")
    np.testing.assert_allclose(diffs[0], began + wanted, rtol=1e-15)
    np.testing.assert_array_equal(diffs[1], wanted)
    assert products[1] and products[2]
    np.testing.assert_array_equal(diffs[2], masked(wanted, products[2]))
    check_products(products[1], diffs[1])
    check_products(products[2], diffs[2])


def test_an_unwanted_diff_is_left_out() -> None:
    shape = (2, 3, 5, 20)
    y, dy, *x = some(4, shape)
    asked, wanted = some_products(x[1], some_lens(20, 1), 3), np.where(y > 0, dy, 0)
    run = run_of(eltwise(), x, dy, relu=True, top=(y,), bottom_diff=(None, dy), products=(None, asked))
    driver.run(eltwise().backward(run), "float64")
    np.testing.assert_array_equal(dy, wanted)
    check_products(asked, wanted)


def test_bits_do_not_depend_on_threads() -> None:
    shape, layer, left = (2, 40, 27, 35), eltwise(), []
    number = layer.beside(((2, 35, 40, 27),) * 2)
    assert number.reads == {0, 1} and number.moments == 4 and number.products == (4, 4)
    for threads in (1, 2):
        dy, *x = some(3, shape, "float32")
        lenses = tuple(some_lens(35, i, dtype="float32") for i in range(2))
        moments, products = no_moments(4, 35), tuple(some_products(x[i], lenses[i], 4) for i in range(2))
        run = run_of(layer, x, dy, relu=True, lenses=lenses, moments=moments, products=products, bottom_diff=(dy, dy))
        run_on(threads, layer, run)
        left.append([run.top[0], dy, *moments[:2], *(one.pieces.values for one in products)])
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*left, strict=True))


def test_other_operations_and_axes_do_nothing_for_their_neighbours() -> None:
    assert not eltwise(operation="MAX").beside(((2, 3, 4, 5),) * 2).reads
    assert not eltwise().beside(((2, 3),) * 2).reads
