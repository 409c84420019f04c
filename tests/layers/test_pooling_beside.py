"""Pooling that does the work of BatchNorms beside it: a bottom seen through a lens, and products left."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.core.calls import Run
from netspec.layers import pooling
from netspec.layers.base import Layer
from tests.helpers.beside import Array, check_products, masked, run_of, run_on, seen, some_lens, some_products
from tests.helpers.checks import blob, make_layer

WINDOWS: list[dict[str, Any]] = [
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 2, "pad": 1},
    {"kernel_size": 3, "stride": 1, "pad": 1},
    {"kernel_size": 2, "stride": 2},
    {"kernel_size": [2, 1], "stride": 3, "round_mode": "FLOOR"},
    {"kernel_size": 1, "stride": 2, "round_mode": "FLOOR"},
    {"global_pooling": True},
]
SHAPES = [(3, 7, 8, 19), (1, 9, 6, 16), (2, 8, 11, 70)]
TOLERANCE = {"float64": 1e-12, "float32": 3e-6}


def pool(**fields: Any) -> Layer:
    return make_layer("Pooling", **fields)


def plainly(layer: Layer, x: Array, dy: Array | None = None) -> Run:
    """What it does to a blob that nobody changes on the way, in float64."""
    run = run_of(layer, [x], dy)
    driver.run(layer.forward(run), "float64")
    if dy is not None:
        driver.run(layer.backward(run), "float64")
    return run


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("window", range(len(WINDOWS)))
@pytest.mark.parametrize("kind", ["MAX", "AVE"])
def test_a_pool_sees_its_bottom_and_leaves_products(kind: str, window: int, shape: tuple[int, ...], dtype: str) -> None:
    layer, x, low = pool(pool=kind, **WINDOWS[window]), blob(*shape).astype(dtype), (0.0, math.nan)[window % 2]
    lens = some_lens(shape[-1], 2, low, dtype)
    n, c, p, q = layer.top_shapes(((shape[0], shape[3], *shape[1:3]),))[0]
    dy = blob(n, p, q, c, seed=3).astype(dtype)
    wanted = plainly(layer, seen(x, lens), dy.astype(np.float64))
    asked = some_products(x, lens, min(n * p, 5))
    run = run_of(layer, [x], dy, lenses=(lens,), products=(asked,))
    driver.run(layer.forward(run), dtype)
    driver.run(layer.backward(run), dtype)
    np.testing.assert_allclose(run.top[0], wanted.top[0], rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    diff, own = wanted.bottom_diff[0], run.bottom_diff[0]
    assert diff is not None and own is not None
    if kind == "MAX" and low == 0 and dtype == "float32":
        np.testing.assert_array_equal(run.workspace["mask"], wanted.workspace["mask"])
    np.testing.assert_allclose(own, masked(diff, asked), rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    check_products(asked, masked(diff, asked), 100 * TOLERANCE[dtype])


@pytest.mark.parametrize("kind", ["MAX", "AVE"])
def test_without_backward_nothing_is_kept(kind: str) -> None:
    layer, x, lens = pool(pool=kind, kernel_size=3, stride=2, pad=1), blob(2, 7, 6, 20), some_lens(20, 2, 0.0)
    run = run_of(layer, [x], lenses=(lens,), phase="TEST", workspace={})
    driver.run(layer.forward(run), "float64")
    np.testing.assert_allclose(run.top[0], plainly(layer, seen(x, lens)).top[0], rtol=1e-12, atol=1e-12)


def test_the_first_of_equals_and_nan_win_behind_a_lens() -> None:
    x = np.array([[1.0, np.nan], [-3, 5], [2, 5]]).reshape(1, 1, 3, 2)
    lens = some_lens(2, 1, 0.0)._replace(factor=np.array([-1.0, 1.0]), offset=np.zeros(2))
    layer = pool(global_pooling=True)
    run = run_of(layer, [x], np.ones((1, 1, 1, 2)), lenses=(lens,))
    driver.run(layer.forward(run), "float64")
    np.testing.assert_array_equal(run.top[0].ravel(), [3, np.nan])
    np.testing.assert_array_equal(run.workspace["mask"].ravel(), [1, 0])


def test_bits_do_not_depend_on_threads() -> None:
    shape, layer, left = (2, 30, 27, 35), pool(kernel_size=3, stride=2), []
    able = layer.beside(((2, 35, 30, 27),))
    assert able.reads == {0} and able.products == (3,) and not able.moments
    for threads in (1, 2):
        x, lens = blob(*shape).astype("float32"), some_lens(35, 1, 0.0, "float32")
        asked = some_products(x, lens, 3)
        dy = blob(2, 15, 13, 35, seed=4).astype("float32")
        run = run_of(layer, [x], dy, lenses=(lens,), products=(asked,))
        run_on(threads, layer, run)
        left.append([run.top[0], run.bottom_diff[0], asked.pieces.values])
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*left, strict=True))


@pytest.mark.parametrize("window", range(len(WINDOWS)))
@pytest.mark.parametrize("kind", ["MAX", "AVE"])
@pytest.mark.parametrize("channels", [19, 32])
@pytest.mark.parametrize("leaves", [False, True])
def test_a_far_diff_has_the_bits_of_a_near_one(
    kind: str, window: int, channels: int, leaves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape, left = (2, 9, 8, channels), []
    layer, x = pool(pool=kind, **WINDOWS[window]), blob(*shape).astype("float32")
    lens = some_lens(channels, 2, 0.0, "float32")
    n, c, p, q = layer.top_shapes(((2, channels, 9, 8),))[0]
    for far in (2**24, 4):
        monkeypatch.setattr(pooling, "FAR", far)
        asked = some_products(x, lens, 2)
        words: dict[str, Any] = {"products": (asked,)} if leaves else {}
        run = run_of(layer, [x], blob(n, p, q, c, seed=3).astype("float32"), **words)
        driver.run(layer.forward(run), "float32")
        driver.run(layer.backward(run), "float32")
        left.append([run.bottom_diff[0], asked.pieces.values])
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*left, strict=True))


def test_large_windows_apart_find_their_maxima() -> None:
    layer, x, dy = pool(kernel_size=17, stride=17), blob(2, 17, 18, 3), blob(2, 1, 2, 3, seed=5)
    run = plainly(layer, x, dy)
    wanted = np.zeros_like(x)
    for n in range(2):
        for j, columns in enumerate((slice(0, 17), slice(17, 18))):
            for c in range(3):
                window = x[n, :, columns, c]
                i, k = np.unravel_index(window.argmax(), window.shape)
                wanted[n, i, columns.start + k, c] = dy[n, 0, j, c]
    np.testing.assert_array_equal(run.bottom_diff[0], wanted)


def test_more_axes_or_large_windows_do_nothing_for_their_neighbours() -> None:
    assert not pool(kernel_size=2).beside(((2, 3, 4),)).reads
    assert not pool(pool="L2", kernel_size=2).beside(((2, 3, 4, 5),)).reads
    assert not pool(kernel_size=16).beside(((2, 3, 17, 18),)).reads
    assert pool(pool="AVE", kernel_size=16).beside(((2, 3, 17, 18),)).reads
