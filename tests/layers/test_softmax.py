"""Softmax against its definition and published numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, blobs_away_from, forward, make_layer
from tests.helpers.oracle import against, torch_of


def test_published_values() -> None:
    (y,) = forward(make_layer("Softmax"), np.array([[3.2, 5.1, -1.7], [1.0, -1.0, 2.0]]))
    np.testing.assert_allclose(y, [[0.13, 0.87, 0.00], [0.26, 0.04, 0.70]], atol=0.006)


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -3])
def test_every_axis(axis: int) -> None:
    x = blob(3, 5, 7, scale=2)
    layer = make_layer("Softmax", axis=axis)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        rows = np.moveaxis(bottoms[0], axis, -1)
        y = np.empty(rows.shape)
        for place in np.ndindex(*rows.shape[:-1]):
            total = sum(math.exp(v) for v in rows[place])
            y[place] = [math.exp(v) / total for v in rows[place]]
        return [np.moveaxis(y, -1, axis)]

    y = against(oracle, layer, [x], in_torch=torch_of("softmax", axis)).tops[0]
    np.testing.assert_allclose(y.sum(axis), 1)
    (y,) = forward(layer, x)
    np.testing.assert_allclose(y, np.exp(x) / np.exp(x).sum(axis, keepdims=True))


@given(blobs_away_from(least=2))
def test_shift_changes_nothing(x: np.ndarray) -> None:
    layer = make_layer("Softmax")
    np.testing.assert_allclose(forward(layer, x + 1e4)[0], forward(layer, x)[0], rtol=1e-9)


def test_large_scores_do_not_overflow_and_nan_shows() -> None:
    (y,) = forward(make_layer("Softmax"), np.array([[1e4, 0.0], [-1e4, -1e4], [np.nan, 0.0]]), dtype="float32")
    np.testing.assert_array_equal(y, np.array([[1, 0], [0.5, 0.5], [np.nan, np.nan]], np.float32))


def test_refuses_an_axis_that_is_not_there() -> None:
    with pytest.raises(ShapeError, match="axis 1 does not exist"):
        make_layer("Softmax").top_shapes(((4,),))
