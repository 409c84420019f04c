"""Loops by vectors: every length, in place, and the functions that are written as series."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.codegen import kernel as jit
from netspec.core.calls import Call
from netspec.kernels import activation, eltwise, random
from tests.helpers.checks import blob

NOTHING = float("nan")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 7, 15, 16, 17, 64, 65, 131])
def test_every_length_and_nothing_beyond(size: int, dtype: str) -> None:
    a, b = blob(size).astype(dtype), blob(size, seed=2).astype(dtype)
    y = np.full(size + 40, 9, dtype)
    jit.run([Call(eltwise.weighted_sum, a, b, y[20 : 20 + size], 2.0, -1.0, NOTHING, parts=3)], dtype)
    np.testing.assert_allclose(y[20 : 20 + size], 2 * a - b, rtol=1e-5, atol=1e-6)
    assert set(y[:20]) == set(y[20 + size :]) == {9}
    jit.run([Call(eltwise.weighted_sum, a, b, a, 2.0, -1.0, NOTHING, parts=3)], dtype)
    np.testing.assert_array_equal(a, y[20 : 20 + size])


def test_a_floor_lets_nan_through() -> None:
    a, zero = np.array([np.nan, np.inf, -np.inf, -1.0, 2.0]), np.zeros(5)
    for low, wanted in ((0.0, [np.nan, np.inf, 0, 0, 2]), (NOTHING, [np.nan, np.inf, -np.inf, -1, 2])):
        y = np.empty(5)
        jit.run([Call(eltwise.weighted_sum, a, zero, y, 1.0, 1.0, low)], "float64")
        np.testing.assert_array_equal(y, wanted)


def test_series_are_as_good_as_float32() -> None:
    x = np.concatenate([np.linspace(-95, 95, 20001), blob(20000, scale=0.3), np.logspace(-30, 1, 200)]).astype(
        np.float32
    )
    y, wide = np.empty_like(x), x.astype(np.float64)
    for kernel, truth in (
        (activation.sigmoid_forward, 1 / (1 + np.exp(-wide))),
        (activation.tanh_forward, np.tanh(wide)),
    ):
        jit.run([Call(kernel, x, y)], "float32")
        np.testing.assert_allclose(y, truth, rtol=3e-7, atol=1e-37)
    jit.run([Call(activation.elu_forward, x, y, 1.0)], "float32")
    np.testing.assert_allclose(y, np.where(x > 0, wide, np.exp(np.minimum(wide, 0)) - 1), rtol=1e-7, atol=1e-7)


def test_series_at_the_ends() -> None:
    x = np.array([np.nan, np.inf, -np.inf, 0.0, 1e30, -1e30], np.float32)
    y = np.empty_like(x)
    for kernel, wanted in (
        (activation.sigmoid_forward, [np.nan, 1, 0, 0.5, 1, 0]),
        (activation.tanh_forward, [np.nan, 1, -1, 0, 1, -1]),
    ):
        jit.run([Call(kernel, x, y)], "float32")
        np.testing.assert_array_equal(y, np.array(wanted, np.float32))


def test_large_indices_of_random_numbers() -> None:
    """The index of an element counts in 64 bits; parts draw what the whole would."""
    x, clock = np.ones(1000), np.array([3, 0], np.int64)
    one, many = np.empty(1000), np.empty(1000)
    jit.run([Call(random.dropout, x, one, clock, 2**62 + 5, 2**31, 2.0, parts=1)], "float64")
    jit.run([Call(random.dropout, x, many, clock, 2**62 + 5, 2**31, 2.0, parts=7)], "float64")
    np.testing.assert_array_equal(one, many)
