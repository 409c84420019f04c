"""Loops that go by whole vectors, against NumPy: softmax and its loss, the largest of a row, sums; any length."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.core.calls import Call
from netspec.kernels import loss, loss_margin, select, softmax
from tests.helpers.checks import Array, blob, labels

SHAPES = [(3, 133, 1), (5, 7, 1), (2, 5, 301), (3, 4, 37), (2, 70, 2)]
"""(outer, C, inner): rows and columns shorter and longer than a vector, and than a block of positions."""
TYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


def run(call: Call, dtype: str) -> None:
    driver.run([call], dtype)


def soft(x: Array) -> Array:
    e = np.exp(x.astype(float) - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@TYPES
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax(shape: tuple[int, ...], dtype: str) -> None:
    x, dy = blob(*shape, scale=4).astype(dtype), blob(*shape, seed=2).astype(dtype)
    y, dx = np.empty_like(x), np.empty_like(x)
    run(Call(softmax.softmax_forward, x, y, parts=4), dtype)
    run(Call(softmax.softmax_backward, y, dy, dx, parts=4), dtype)
    truth = soft(x)
    np.testing.assert_allclose(y, truth, rtol=2e-6 if dtype == "float32" else 1e-13)
    wanted = truth * (dy - (truth * dy).sum(1, keepdims=True))
    np.testing.assert_allclose(dx, wanted, rtol=1e-5, atol=1e-6 if dtype == "float32" else 1e-14)


@TYPES
@pytest.mark.parametrize("shape", SHAPES)
def test_softmax_loss_with_ignored_and_unknown_labels(shape: tuple[int, ...], dtype: str) -> None:
    outer, classes, inner = shape
    x, label = blob(*shape, scale=4).astype(dtype), labels(outer * inner, classes=classes).astype(dtype)
    label[1] = 2
    ignored = label == 2
    prob, dx, each, parts = np.empty_like(x), np.full_like(x, 9), np.zeros(outer * inner), 4
    partial, norm, dtop = np.zeros(2 * parts), np.array([0.5]), np.array([3], dtype)
    run(Call(softmax.softmax_loss_forward, x, label, prob, each, partial, 1, 2, parts=parts), dtype)
    own = np.take_along_axis(soft(x), label.astype(int).reshape(outer, 1, inner), 1).reshape(-1)
    sums = partial.reshape(parts, 2).sum(0)
    np.testing.assert_allclose(sums, [-np.log(own[~ignored]).sum(), (~ignored).sum()], rtol=1e-6)
    prob[1 // inner, :, 1 % inner] = np.nan  # position 1 is ignored
    label[0] = classes
    run(Call(softmax.softmax_loss_backward, prob, label, each, dtop, norm, dx, 1, 2, parts=parts), dtype)
    slopes = 6 * (soft(x) - (np.arange(classes)[:, None] == label.reshape(outer, 1, inner)))
    wanted = np.where(ignored.reshape(outer, 1, inner), 0, slopes)
    wanted[0, :, 0] = np.nan
    np.testing.assert_allclose(dx, wanted, rtol=1e-5, atol=1e-5 if dtype == "float32" else 1e-13)


@TYPES
@pytest.mark.parametrize("size", [2, 15, 16, 17, 64, 66, 150])
def test_the_largest_wherever_it_is(size: int, dtype: str) -> None:
    x = np.tile(blob(size, scale=0.1).astype(dtype), (size, 1))
    x[np.arange(size), np.arange(size)] = 3
    y = np.empty((size, 2, 1), dtype)
    run(Call(select.largest, x.reshape(size, size, 1), y, 1, 0, 1, parts=3), dtype)
    assert (y[:, 0, 0] == np.arange(size)).all() and (y[:, 1, 0] == 3).all()
    down = np.empty((1, 2, size), dtype)
    run(Call(select.largest, np.ascontiguousarray(x.T).reshape(1, size, size), down, 1, 0, 1, parts=3), dtype)
    np.testing.assert_array_equal(down[0], y[:, :, 0].T)


@TYPES
@pytest.mark.parametrize("inner", [1, 40])
def test_ties_and_what_is_not_finite(inner: int, dtype: str) -> None:
    for special, places in ((2.0, [3, 70]), (np.nan, [3, 70]), (np.inf, [0]), (np.nan, [99])):
        x = blob(100, scale=0.1).astype(dtype)
        x[places] = special
        whole = np.repeat(x.reshape(1, 100, 1), inner, 2)
        y = np.empty((1, 2, inner), dtype)
        run(Call(select.largest, whole, y, 1, 0, 1), dtype)
        np.testing.assert_array_equal(y[0, 0], np.full(inner, places[-1]))
        np.testing.assert_array_equal(y[0, 1], np.full(inner, special))
    lowest = np.full((1, 100, inner), -np.inf, dtype)
    run(Call(select.largest, lowest, y, 1, 0, 1), dtype)
    assert (y[0, 0] == 99).all() and (y[0, 1] == -np.inf).all()


@TYPES
def test_the_best_rival_on_either_side_of_the_true_class(dtype: str) -> None:
    x = np.tile(blob(90, scale=0.1).astype(dtype), (90, 1))
    x[:, [40, 80]] = 5
    dx, label = np.empty_like(x), np.arange(90).astype(dtype)
    run(Call(loss_margin.perceptron_backward, x, label, np.ones(1, dtype), np.ones(1), dx, parts=3), dtype)
    wanted = np.zeros((90, 90))
    for n in range(90):
        wanted[n, 80 if n == 40 else 40], wanted[n, n] = 1, -1
    np.testing.assert_array_equal(dx, wanted)


@TYPES
def test_sums_are_taken_in_float64(dtype: str) -> None:
    each, partial = np.full(50_001, 0.1, dtype), np.zeros(6)
    run(Call(loss.loss_sum, each, partial, parts=3), dtype)
    np.testing.assert_allclose(partial.reshape(3, 2).sum(0), [each.astype(float).sum(), 50_001], rtol=1e-12)
