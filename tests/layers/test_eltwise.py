"""Eltwise against its definition, for two and three bottoms."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.layers.base import Layer
from tests.helpers.checks import blob, check_layer, distinct, forward, make_layer, run_layer
from tests.helpers.oracle import Oracle, against

SHAPE = (2, 3, 4, 5)


def eltwise(operation: str, bottoms: int = 3, **fields: Any) -> Layer:
    return make_layer("Eltwise", bottom=["a", "b", "c"][:bottoms], operation=operation, **fields)


def three(away_from: tuple[float, ...] = ()) -> list[np.ndarray]:
    return [blob(*SHAPE, seed=seed, away_from=away_from) for seed in (1, 2, 3)]


def by_element(combine: Callable[[Sequence[Any]], Any]) -> Oracle:
    """The definition of a top whose values are made of the bottoms' values at one place."""

    def oracle(bottoms: list[np.ndarray], _: list[np.ndarray]) -> list[np.ndarray]:
        return [np.array([combine(each) for each in zip(*(b.flat for b in bottoms), strict=True)]).reshape(SHAPE)]

    return oracle


@pytest.mark.parametrize("count", [2, 3])
def test_sum(count: int) -> None:
    bottoms = three()[:count]
    against(by_element(sum), eltwise("SUM", count), bottoms, in_torch=lambda given, _: [sum(given)])
    np.testing.assert_allclose(forward(eltwise("SUM", count), *bottoms)[0], sum(bottoms), rtol=1e-14)


def test_weighted_sum() -> None:
    layer, (a, b, c) = eltwise("SUM", coeff=[1, -0.5, 2]), three()

    def weighted(values: Sequence[Any]) -> Any:
        return values[0] - 0.5 * values[1] + 2 * values[2]

    against(by_element(weighted), layer, [a, b, c], in_torch=lambda given, _: [weighted(given)])
    np.testing.assert_allclose(forward(layer, a, b, c)[0], a - 0.5 * b + 2 * c, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("stable", [True, False])
@pytest.mark.parametrize("count", [2, 3])
def test_product(count: int, stable: bool) -> None:
    bottoms = three(away_from=(0.0,))[:count]
    layer = eltwise("PROD", count, stable_prod_grad=stable)
    against(by_element(math.prod), layer, bottoms, in_torch=lambda given, _: [math.prod(given)])
    np.testing.assert_allclose(forward(layer, *bottoms)[0], np.prod(bottoms, axis=0), rtol=1e-14)


def test_stable_gradient_survives_a_zero() -> None:
    x = [np.array([0.0, 2.0]), np.array([3.0, 0.0]), np.array([5.0, 7.0])]
    result = run_layer(eltwise("PROD"), *x, top_diffs=[np.ones(2)])
    np.testing.assert_array_equal(result.bottom_diffs, [[15, 0], [0, 14], [0, 0]])
    unstable = run_layer(eltwise("PROD", stable_prod_grad=False), *x, top_diffs=[np.ones(2)])
    assert np.isnan(unstable.bottom_diffs[0][0])


@pytest.mark.parametrize("count", [2, 3])
def test_maximum(count: int) -> None:
    bottoms = list(distinct(count, *SHAPE))
    layer = eltwise("MAX", count)

    def in_torch(given: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.stack(given).amax(0)]

    against(by_element(max), layer, bottoms, in_torch=in_torch)
    for phase in ("TRAIN", "TEST"):
        np.testing.assert_array_equal(forward(layer, *bottoms, phase=phase)[0], np.max(bottoms, axis=0))
    assert not layer.workspaces((SHAPE,) * count, False)


def test_who_wins_a_tie() -> None:
    """Caffe's rule: the second beats the first, a later one must be strictly larger."""
    x = [np.array([1.0, 1.0, 0.0]), np.array([1.0, 0.0, 1.0]), np.array([1.0, 1.0, 2.0])]
    result = run_layer(eltwise("MAX"), *x, top_diffs=[np.array([5.0, 6.0, 7.0])])
    np.testing.assert_array_equal(result.bottom_diffs, [[0, 6, 0], [5, 0, 0], [0, 0, 7]])


def test_only_some_gradients() -> None:
    for operation in ("SUM", "PROD", "MAX"):
        check_layer(eltwise(operation), list(distinct(3, *SHAPE)), wanted=[1])


def test_refused() -> None:
    with pytest.raises(ShapeError, match="needs equal shapes") as caught:
        eltwise("SUM", 2).top_shapes(((2, 3), (3, 2)))
    assert caught.value.field == "bottom.1"
    with pytest.raises(ValidationError):
        eltwise("MAX", 2, coeff=[1, 2])
    with pytest.raises(ValidationError):
        eltwise("SUM", 2, coeff=[1, 2, 3])
