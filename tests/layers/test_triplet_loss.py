"""TripletLoss against its definition and PyTorch, of distances and of squares."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, forward, make_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("squared", [False, True])
def test_definition_and_derivatives(squared: bool) -> None:
    def distance(a: Array, b: Array) -> float:
        square = sum((p - q + (0 if squared else 1e-6)) ** 2 for p, q in zip(a, b, strict=True))
        return float(square if squared else sqrt(square))

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        triplets = zip(*bottoms, strict=True)
        return [np.array(sum(max(0, distance(a, p) - distance(a, n) + 0.7) for a, p, n in triplets) / 9)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        if squared:
            a, p, n = bottoms
            return [((a - p).square().sum(1) - (a - n).square().sum(1) + 0.7).clamp(min=0).mean()]
        return [torch.nn.functional.triplet_margin_loss(*bottoms, margin=0.7)]

    layer = make_layer("TripletLoss", margin=0.7, squared=squared)
    result = against(oracle, layer, [blob(9, 5, seed=seed) for seed in (1, 2, 3)], in_torch=in_torch)
    rows = np.abs(result.bottom_diffs[0]).sum(1)
    assert (rows == 0).any() and (rows > 0).any()


def test_equal_features_have_a_finite_loss_and_shapes() -> None:
    layer = make_layer("TripletLoss")
    assert forward(layer, *[np.ones((2, 3))] * 3)[0] == 1
    with pytest.raises(ShapeError, match="equally many values"):
        layer.top_shapes(((4, 3), (4, 3), (4, 2)))
    with pytest.raises(ValidationError):
        make_layer("TripletLoss", margin=0)
