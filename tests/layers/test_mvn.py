"""MVN against its definition and Caffe's backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, check_layer, make_layer, run_layer
from tests.helpers.oracle import against


def loops(x: Array, across: bool, variance: bool, eps: float) -> Array:
    y = np.empty_like(x)
    for n in range(x.shape[0]):
        for at in [(n,)] if across else [(n, c) for c in range(x.shape[1])]:
            mean = x[at].mean()
            deviation = np.sqrt(((x[at] - mean) ** 2).mean())
            y[at] = (x[at] - mean) / (deviation + eps) if variance else x[at] - mean
    return y


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 7), (2, 3, 4, 5, 6)])
@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize("variance", [True, False])
def test_definition_and_derivatives(shape: tuple[int, ...], across: bool, variance: bool) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        return [loops(bottoms[0], across, variance, 1e-9)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        (x,) = bottoms
        axes = tuple(range(1 if across else 2, x.ndim))
        mean = x.mean(axes, keepdim=True)
        return [(x - mean) / (x.std(axes, correction=0, keepdim=True) + 1e-9) if variance else x - mean]

    layer = make_layer("MVN", across_channels=across, normalize_variance=variance)
    against(oracle, layer, [3 * blob(*shape) + 2], in_torch=in_torch, rtol=1e-8)


@pytest.mark.parametrize("across", [False, True])
def test_caffe_moments(across: bool) -> None:
    """Caffe's test: mean 0 and variance 1, to 1e-3, of each plane or sample of 2x3x4x5."""
    y = run_layer(make_layer("MVN", across_channels=across), blob(2, 3, 4, 5), dtype="float32").tops[0]
    axes = (1, 2, 3) if across else (2, 3)
    np.testing.assert_allclose(y.mean(axes), 0, atol=1e-3)
    np.testing.assert_allclose(y.var(axes), 1, atol=1e-3)


def test_eps_is_added_to_the_deviation_and_backward_is_caffes() -> None:
    x, dy = blob(2, 3, 4, 5), blob(2, 3, 4, 5, seed=2)
    result = run_layer(make_layer("MVN", eps=0.25), x, top_diffs=[dy])
    y = loops(x, False, True, 0.25)
    np.testing.assert_allclose(result.tops[0], y, rtol=1e-12)
    divisor = x.std((2, 3), keepdims=True) + 0.25
    dx = (dy - dy.mean((2, 3), keepdims=True) - y * (dy * y).mean((2, 3), keepdims=True)) / divisor
    np.testing.assert_allclose(result.bottom_diffs[0], dx, rtol=1e-12)


def test_equal_values_give_zeros() -> None:
    result = run_layer(make_layer("MVN"), np.full((2, 3, 4), 7.0), top_diffs=[np.ones((2, 3, 4))], dtype="float32")
    np.testing.assert_array_equal(result.tops[0], 0)
    np.testing.assert_array_equal(result.bottom_diffs[0], 0)
    single = make_layer("MVN")
    np.testing.assert_array_equal(run_layer(single, blob(4, 3)).tops[0], 0)
    np.testing.assert_array_equal(run_layer(single, blob(5)).tops[0], 0)


def test_far_from_zero() -> None:
    """A mean of a million deviations costs float32 the digits that the bottom itself lacks, and no more."""
    x = (blob(2, 3, 40, 50) + 1e4).astype(np.float32)
    y = run_layer(make_layer("MVN"), x, dtype="float32").tops[0]
    np.testing.assert_allclose(y, loops(x.astype(np.float64), False, True, 1e-9), atol=2e-3)


def test_nan_and_infinity_stay_in_their_plane() -> None:
    x = blob(2, 3, 4, 5)
    x[0, 1, 2, 3], x[1, 2, 0, 0] = np.nan, np.inf
    y = run_layer(make_layer("MVN"), x).tops[0]
    assert np.isnan(y[0, 1]).all() and np.isnan(y[1, 2]).all()
    assert np.isfinite(y[0, [0, 2]]).all() and np.isfinite(y[1, :2]).all()


def test_a_scalar_is_refused() -> None:
    with pytest.raises(ShapeError, match="has no samples"):
        make_layer("MVN").top_shapes(((),))


def test_wide_rows() -> None:
    check_layer(make_layer("MVN", across_channels=True), [blob(2, 5, 31, 67)], rtol=1e-5)
