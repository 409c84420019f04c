"""ArgMax against sorting: Caffe's shapes (N,1,k), (N,2,k) and along axes 0 and -2, ties, and what is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, check_layer, forward, make_layer
from tests.helpers.oracle import against


def ranked(values: Array, top_k: int) -> list[tuple[float, int]]:
    """The largest values with their indices; of equal ones the larger index first."""
    return sorted(((v, i) for i, v in enumerate(values.tolist())), reverse=True)[:top_k]


def by_item(x: Array, top_k: int, values: bool) -> Array:
    y = np.zeros((x.shape[0], 2 if values else 1, top_k, *(1,) * (x.ndim - 3)))
    for n in range(x.shape[0]):
        for rank, (value, index) in enumerate(ranked(x[n].reshape(-1), top_k)):
            y[n, 0, rank] = index
            if values:
                y[n, 1, rank] = value
    return y


def along(x: Array, axis: int, top_k: int, values: bool) -> Array:
    moved = np.moveaxis(x, axis, -1)
    y = np.zeros((*moved.shape[:-1], top_k))
    for index in np.ndindex(*moved.shape[:-1]):
        for rank, pair in enumerate(ranked(moved[index], top_k)):
            y[(*index, rank)] = pair[0 if values else 1]
    return np.moveaxis(y, -1, axis)


@pytest.mark.parametrize("shape", [(3, 7), (3, 4, 5), (2, 3, 5, 4), (2, 3, 1, 2, 4), (4,)])
@pytest.mark.parametrize("values", [False, True])
def test_of_each_item(shape: tuple[int, ...], values: bool) -> None:
    k = 1 if len(shape) == 1 else 3
    layer = make_layer("ArgMax", top_k=k, out_max_val=values)
    against(lambda b, _: [by_item(b[0], k, values)], layer, [blob(*shape)])


@pytest.mark.parametrize("axis", [0, 1, -2, -1])
@pytest.mark.parametrize(("k", "values"), [(1, False), (2, True), (2, False)])
def test_along_an_axis(axis: int, k: int, values: bool) -> None:
    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        found = bottoms[0].topk(k, dim=axis)
        return [found.values if values else found.indices]

    layer = make_layer("ArgMax", axis=axis, top_k=k, out_max_val=values)
    against(lambda b, _: [along(b[0], axis, k, values)], layer, [blob(2, 3, 5, 4)], in_torch=in_torch)


def test_the_jth_place_has_j_values_above_it() -> None:
    """Caffe's test, on 10x10x20x20 as there."""
    x = blob(10, 10, 20, 20)
    (y,) = forward(make_layer("ArgMax", top_k=5, out_max_val=True), x)
    assert y.shape == (10, 2, 5, 1)
    for n in range(10):
        for j in range(5):
            assert y[n, 1, j, 0] == x[n].reshape(-1)[int(y[n, 0, j, 0])] and (x[n] > y[n, 1, j, 0]).sum() == j


def test_of_equal_values_the_last_comes_first() -> None:
    (y,) = forward(make_layer("ArgMax", axis=1, top_k=3), np.array([[1.0, 4.0, 4.0, 0.0, 4.0], [2.0] * 5]))
    np.testing.assert_array_equal(y, [[4, 2, 1], [4, 3, 2]])


def test_what_is_not_finite() -> None:
    x = np.array([[1.0, np.nan, np.inf, np.nan, -np.inf]])
    (y,) = forward(make_layer("ArgMax", axis=1, top_k=5), x)
    np.testing.assert_array_equal(y, [[3, 1, 2, 0, 4]])


def test_errors() -> None:
    for fields, shape, text in (
        ({"top_k": 13}, (2, 3, 4), "`top_k` 13 is more than the 12 values"),
        ({"top_k": 4, "axis": 1}, (2, 3, 4), "`top_k` 4 is more than the 3 values"),
        ({"axis": 3}, (2, 3, 4), "axis 3 does not exist"),
        ({}, (), "axis 0 does not exist"),
        ({}, (2, 2**24 + 1), "float32 holds indices up to 16,777,216"),
    ):
        with pytest.raises(ShapeError, match=text):
            make_layer("ArgMax", **fields).top_shapes((shape,))
    with pytest.raises(ValidationError):
        make_layer("ArgMax", top_k=0)


def test_parts() -> None:
    check_layer(make_layer("ArgMax", axis=2, top_k=2), [blob(3, 5, 4, 7)])
