"""Loops by vectors: every length, in place, and the functions that are written as series."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.codegen.elementwise import generated
from netspec.core.calls import Call
from netspec.core.formula import Formula, Number
from netspec.kernels import eltwise, random
from netspec.layers.elu import ELU
from netspec.layers.sigmoid import Sigmoid
from netspec.layers.tanh import TanH
from tests.helpers.checks import blob

NOTHING = float("nan")


def computed(formula: Formula, x: np.ndarray, *numbers: float) -> np.ndarray:
    """What the kernel of a formula of x and numbers gives, in x's own type."""
    y = np.empty_like(x)
    driver.run([Call(generated(formula), x, y, *numbers)], str(x.dtype))
    return y


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 7, 15, 16, 17, 64, 65, 131])
def test_every_length_and_nothing_beyond(size: int, dtype: str) -> None:
    a, b = blob(size).astype(dtype), blob(size, seed=2).astype(dtype)
    y = np.full(size + 40, 9, dtype)
    driver.run([Call(eltwise.weighted_sum, a, b, y[20 : 20 + size], 2.0, -1.0, NOTHING, parts=3)], dtype)
    np.testing.assert_allclose(y[20 : 20 + size], 2 * a - b, rtol=1e-5, atol=1e-6)
    assert set(y[:20]) == set(y[20 + size :]) == {9}
    driver.run([Call(eltwise.weighted_sum, a, b, a, 2.0, -1.0, NOTHING, parts=3)], dtype)
    np.testing.assert_array_equal(a, y[20 : 20 + size])


def test_a_floor_lets_nan_through() -> None:
    a, zero = np.array([np.nan, np.inf, -np.inf, -1.0, 2.0]), np.zeros(5)
    for low, wanted in ((0.0, [np.nan, np.inf, 0, 0, 2]), (NOTHING, [np.nan, np.inf, -np.inf, -1, 2])):
        y = np.empty(5)
        driver.run([Call(eltwise.weighted_sum, a, zero, y, 1.0, 1.0, low)], "float64")
        np.testing.assert_array_equal(y, wanted)


def test_series_are_as_good_as_float32() -> None:
    x = np.concatenate([np.linspace(-95, 95, 20001), blob(20000, scale=0.3), np.logspace(-30, 1, 200)]).astype(
        np.float32
    )
    wide = x.astype(np.float64)
    for formula, truth in ((Sigmoid.value, 1 / (1 + np.exp(-wide))), (TanH.value, np.tanh(wide))):
        np.testing.assert_allclose(computed(formula, x), truth, rtol=3e-7, atol=1e-37)
    y = computed(ELU.value, x, 1.0)
    np.testing.assert_allclose(y, np.where(x > 0, wide, np.exp(np.minimum(wide, 0)) - 1), rtol=1e-7, atol=1e-7)


def test_series_at_the_ends() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, 1e30, -1e30], np.float32)
    for formula, wanted in (
        (Sigmoid.value, [np.nan, 1, 0, 0.5, 1, 0]),
        (TanH.value, [np.nan, 1, -1, 0, 1, -1]),
    ):
        np.testing.assert_array_equal(computed(formula, x), np.array(wanted, np.float32))


def error_function(x: Number) -> Number:
    return x.erf()


def test_the_error_function() -> None:
    """Within a few units of the last place of C's, at every distance, with its sign, and at the ends."""
    x = np.concatenate([np.linspace(-7, 7, 20001), np.logspace(-40, 2, 500), [0.0, -0.0, 1.0, -1.0]])
    for dtype, rtol in (("float32", 2.5e-7), ("float64", 6e-16)):
        given = x.astype(dtype)
        wanted = np.array([math.erf(v) for v in given])
        np.testing.assert_allclose(computed(error_function, given), wanted, rtol=rtol, atol=1e-45)
        ends = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30], dtype)
        np.testing.assert_array_equal(computed(error_function, ends), [np.nan, 1, -1, 1, -1])


def bounded(x: Number, low: Number) -> Number:
    return x.abs().maximum(low).minimum(3.0)


def test_bounds_and_sizes_let_nan_through() -> None:
    x = np.array([np.nan, -np.inf, -2.0, 0.5, -0.0, 7.0])
    for dtype in ("float32", "float64"):
        y = computed(bounded, x.astype(dtype), 1.0)
        np.testing.assert_array_equal(y, [np.nan, 3, 2, 1, 1, 3])


def logarithm(x: Number) -> Number:
    return x.log()


def test_logarithm_is_within_two_units_of_the_last_place() -> None:
    """Over all of float32's range, near 1 (where it vanishes), below the least normal number, and between series."""
    tiny = np.float32(1.17549435e-38)
    x = np.concatenate(
        [
            np.logspace(-45, 38.5, 40001),
            1 + blob(20000, scale=1e-3),
            np.linspace(0.25, 4, 20001),
            [tiny, np.nextafter(tiny, np.float32(0)), 1.0, 0.5, 2.0, np.sqrt(0.5)],
        ]
    ).astype(np.float32)
    x = x[x > 0]
    y, truth = computed(logarithm, x), np.log(x.astype(np.float64))
    unit = np.spacing(np.abs(truth.astype(np.float32))).astype(np.float64)
    assert np.max(np.abs(y - truth) / unit) <= 2
    assert y[x == 1].tolist() == [0.0] * np.count_nonzero(x == 1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logarithm_at_the_ends(dtype: str) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, -1.0, -1e-40, 1.0], dtype)
    wanted = np.array([np.nan, np.inf, np.nan, -np.inf, -np.inf, np.nan, np.nan, 0.0], dtype)
    np.testing.assert_array_equal(computed(logarithm, x), wanted)
    y = computed(logarithm, np.linspace(0.1, 9, 37).astype(dtype))
    np.testing.assert_allclose(
        y, np.log(np.linspace(0.1, 9, 37)), rtol=1e-6 if dtype == "float32" else 1e-15, atol=1e-8
    )


def of_one_more(x: Number) -> Number:
    return x.log1p()


def test_logarithm_of_one_more_keeps_small_numbers() -> None:
    sizes = np.logspace(-38, 30, 40001)
    x = np.concatenate([sizes, -sizes[sizes < 0.999], blob(20000, scale=1e-3), [1.0, -0.5]]).astype(np.float32)
    y, truth = computed(of_one_more, x), np.log1p(x.astype(np.float64))
    unit = np.spacing(np.abs(truth.astype(np.float32))).astype(np.float64)
    assert np.max(np.abs(y - truth) / unit) <= 4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_logarithm_of_one_more_at_the_ends(dtype: str) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, -1.0, -1.5, 1e-30, -1e-30], dtype)
    wanted = np.array([np.nan, np.inf, np.nan, 0.0, -np.inf, np.nan, 1e-30, -1e-30], dtype)
    np.testing.assert_array_equal(computed(of_one_more, x), wanted)


def test_large_indices_of_random_numbers() -> None:
    """The index of an element counts in 64 bits; parts draw what the whole would."""
    x, clock = np.ones(1000), np.array([3, 0], np.int64)
    one, many = np.empty(1000), np.empty(1000)
    driver.run([Call(random.dropout, x, one, clock, 2**62 + 5, 2**31, 2.0, parts=1)], "float64")
    driver.run([Call(random.dropout, x, many, clock, 2**62 + 5, 2**31, 2.0, parts=7)], "float64")
    np.testing.assert_array_equal(one, many)
