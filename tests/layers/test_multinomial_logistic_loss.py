"""MultinomialLogisticLoss against its definition, its cap, labels that are no class."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.layers import _loss
from tests.helpers.checks import Array, forward, labels, make_layer, run_layer
from tests.helpers.oracle import against


def chances(*shape: int) -> Array:
    return np.random.default_rng(3).uniform(0.1, 0.9, shape)


def test_definition_and_derivative() -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        p, label = bottoms
        return [np.array(-sum(np.log(p[n].ravel()[int(label[n])]) for n in range(10)) / 10)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.nll_loss(bottoms[0].reshape(10, 6).log(), bottoms[1].long())]

    with mock.patch.object(_loss, "GRAIN", 4):
        layer = make_layer("MultinomialLogisticLoss")
        against(oracle, layer, [chances(10, 2, 3), labels(10, classes=6)], in_torch=in_torch)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_sample_loses_at_most_46(dtype: str) -> None:
    p = np.array([[0.0, 1.0]])
    result = run_layer(make_layer("MultinomialLogisticLoss"), p, np.zeros(1), top_diffs=[np.array(1.0)], dtype=dtype)
    assert float(result.tops[0]) == pytest.approx(46.0517, abs=1e-4)
    np.testing.assert_allclose(result.bottom_diffs[0], [[-1e20, 0]], rtol=1e-6)


def test_the_gradient_is_0_but_at_the_label() -> None:
    p = np.array([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    result = run_layer(make_layer("MultinomialLogisticLoss"), p, np.array([2.0, 0.0]), top_diffs=[np.array(3.0)])
    np.testing.assert_allclose(result.bottom_diffs[0], [[0, 0, -3], [-15, 0, 0]])


@pytest.mark.parametrize("label", [-1.0, 3.0, 0.5, np.nan])
def test_a_label_that_is_no_class_gives_nan(label: float) -> None:
    layer = make_layer("MultinomialLogisticLoss")
    result = run_layer(layer, chances(1, 3), np.array([label]), top_diffs=[np.array(1.0)])
    assert np.isnan(result.tops[0]) and np.isnan(result.bottom_diffs[0]).all()
    assert np.isnan(forward(layer, np.array([[np.nan, 0.5]]), np.zeros(1))[0])


def test_classes_and_shapes() -> None:
    layer = make_layer("MultinomialLogisticLoss")
    assert layer.classes(((4, 3, 2), (4,))) == {1: (6, None)}
    assert layer.chance(((4, 3), (4,))) == pytest.approx(np.log(3))
    with pytest.raises(ShapeError, match="needs 4 labels"):
        layer.top_shapes(((4, 3), (2,)))
