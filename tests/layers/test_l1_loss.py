"""L1Loss against its definition and PyTorch, to both bottoms."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.layers import _loss
from tests.helpers.checks import Array, blob, forward, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize(
    ("normalization", "divisor"), [(None, 3), ("VALID", 30), ("FULL", 30), ("BATCH_SIZE", 3), ("NONE", 1)]
)
def test_definition_and_derivatives(normalization: str | None, divisor: int) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        a, b = bottoms
        return [np.array(sum(abs(p - q) for p, q in zip(a.flat, b.flat, strict=True)) / divisor)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.l1_loss(*bottoms, reduction="sum") / divisor]

    b = blob(3, 5, 2)
    with mock.patch.object(_loss, "GRAIN", 4):
        layer = make_layer("L1Loss", normalization=normalization)
        against(oracle, layer, [b + blob(3, 5, 2, seed=2, away_from=[0]), b], in_torch=in_torch)


def test_equal_values_have_no_gradient() -> None:
    a, b = np.array([[1.0, 2.0, 3.0]]), np.array([[1.0, 3.0, 1.0]])
    result = run_layer(make_layer("L1Loss"), a, b, top_diffs=[np.array(2.0)])
    np.testing.assert_array_equal(result.bottom_diffs[0], [[0, -2, 2]])
    np.testing.assert_array_equal(result.bottom_diffs[1], [[0, 2, -2]])


def test_what_is_not_finite_shows_in_the_loss() -> None:
    assert np.isnan(forward(make_layer("L1Loss"), np.array([[np.nan]]), np.zeros((1, 1)))[0])
    assert np.isinf(forward(make_layer("L1Loss"), np.array([[-np.inf]]), np.zeros((1, 1)))[0])


def test_only_count_and_batch_size_must_agree() -> None:
    layer = make_layer("L1Loss")
    assert forward(layer, np.ones((2, 3, 1)), np.zeros((2, 3)))[0] == 3
    with pytest.raises(ShapeError, match="same batch size"):
        layer.top_shapes(((2, 3), (3, 2)))
