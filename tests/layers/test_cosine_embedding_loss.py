"""CosineEmbeddingLoss against its definition and PyTorch."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, forward, labels, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("margin", [0.0, -0.3, 0.2])
def test_definition_and_derivatives(margin: float) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        a, b, y = bottoms
        total = 0.0
        for n in range(11):
            both, one, two = (sum(p * q for p, q in zip(u, v, strict=True)) for u, v in _pairs(a[n], b[n]))
            cosine = both / sqrt((one + 1e-12) * (two + 1e-12))
            total += 1 - cosine if y[n] else max(0, cosine - margin)
        return [np.array(total / 11)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        a, b, y = bottoms
        return [torch.nn.functional.cosine_embedding_loss(a, b, 2 * y - 1, margin=margin)]

    layer = make_layer("CosineEmbeddingLoss", margin=margin)
    against(oracle, layer, [blob(11, 5), blob(11, 5, seed=2), labels(11, classes=2)], in_torch=in_torch)


def _pairs(a: Array, b: Array) -> tuple[tuple[Array, Array], ...]:
    return (a, b), (a, a), (b, b)


def test_vectors_of_zeros_have_the_cosine_0() -> None:
    layer = make_layer("CosineEmbeddingLoss")
    assert forward(layer, np.zeros((1, 3)), np.ones((1, 3)), np.ones(1))[0] == 1


@pytest.mark.parametrize("y", [-1.0, 2.0, 0.5, np.nan])
def test_a_word_that_is_neither_0_nor_1_gives_nan(y: float) -> None:
    layer = make_layer("CosineEmbeddingLoss")
    result = run_layer(layer, blob(1, 3), blob(1, 3, seed=2), np.array([y]), top_diffs=[np.array(1.0)])
    assert np.isnan(result.tops[0]) and np.isnan(result.bottom_diffs[0]).all()


def test_shapes_and_fields() -> None:
    layer = make_layer("CosineEmbeddingLoss")
    assert layer.classes(((4, 3), (4, 3), (4,))) == {2: (2, None)}
    with pytest.raises(ShapeError, match="one value for each sample"):
        layer.top_shapes(((4, 3), (4, 3), (3,)))
    for margin in (-1.5, 1.5):
        with pytest.raises(ValidationError):
            make_layer("CosineEmbeddingLoss", margin=margin)
