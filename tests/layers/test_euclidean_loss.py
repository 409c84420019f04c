"""EuclideanLoss against its definition, to both bottoms."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.layers import _loss
from tests.helpers.checks import Array, blob, forward, make_layer, run_layer
from tests.helpers.oracle import against


def test_definition_and_derivative() -> None:
    a, b = blob(3, 5, 2), blob(3, 5, 2, seed=2)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        one, two = bottoms
        return [np.array(sum((one[place] - two[place]) ** 2 for place in np.ndindex(*one.shape)) / (2 * len(one)))]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.mse_loss(*bottoms, reduction="sum") / (2 * len(bottoms[0]))]

    with mock.patch.object(_loss, "GRAIN", 4):
        result = against(oracle, make_layer("EuclideanLoss"), [a, b], in_torch=in_torch)
    np.testing.assert_allclose(result.tops[0], ((a - b) ** 2).sum() / 6, rtol=1e-6)


def test_gradients_with_a_loss_weight() -> None:
    a, b = blob(10, 5), blob(10, 5, seed=2)
    result = run_layer(make_layer("EuclideanLoss"), a, b, top_diffs=[np.array(3.7)])
    np.testing.assert_allclose(result.bottom_diffs[0], 3.7 * (a - b) / 10)
    np.testing.assert_allclose(result.bottom_diffs[1], -3.7 * (a - b) / 10)


def test_only_count_and_batch_size_must_agree() -> None:
    layer = make_layer("EuclideanLoss")
    assert forward(layer, np.ones((2, 3, 1)), np.zeros((2, 3)))[0] == 1.5
    for first, second in (((2, 3), (3, 2)), ((2, 3), (2, 4))):
        with pytest.raises(ShapeError, match="same batch size"):
            layer.top_shapes((first, second))


def test_two_numbers_are_one_sample() -> None:
    result = run_layer(make_layer("EuclideanLoss"), np.array(3.0), np.array(1.0), top_diffs=[np.array(1.0)])
    assert result.tops[0] == 2.0
    assert [float(diff) for diff in result.bottom_diffs if diff is not None] == [2.0, -2.0]
    with pytest.raises(ShapeError, match="same batch size"):
        make_layer("EuclideanLoss").top_shapes(((), (1,)))
