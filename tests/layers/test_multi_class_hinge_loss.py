"""MultiClassHingeLoss against the numbers of Stanford's CS231n notes, its gradient, impossible labels."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.layers import _loss
from tests.helpers.checks import Array, distinct, forward, labels, make_layer, run_layer
from tests.helpers.oracle import against

SCORES = np.array([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]])


def test_published_values() -> None:
    layer = make_layer("MultiClassHingeLoss")
    each = [float(forward(layer, SCORES[i : i + 1], np.array([float(i)]))[0]) for i in range(3)]
    assert each == pytest.approx([2.9, 0, 12.9])
    assert forward(layer, SCORES, np.arange(3.0))[0] == pytest.approx(5.27, abs=0.005)


@pytest.mark.parametrize("margin", [1.0, 0.51])
def test_definition_and_derivative(margin: float) -> None:
    x, label = distinct(7, 5), labels(7, classes=5)
    wide = margin + 0.013

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        scores, true = bottoms[0], bottoms[1].astype(int)
        total = 0.0
        for n, j in np.ndindex(*scores.shape):
            total += max(0, scores[n, j] - scores[n, true[n]] + wide) if j != true[n] else 0
        return [np.array(total / len(true))]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        true = bottoms[1].long()
        total = torch.nn.functional.multi_margin_loss(bottoms[0], true, margin=wide, reduction="sum")
        return [total * x.shape[1] / len(x)]

    with mock.patch.object(_loss, "GRAIN", 4):
        layer = make_layer("MultiClassHingeLoss", margin=wide)
        result = against(oracle, layer, [x, label], in_torch=in_torch)
    own = np.take_along_axis(x, label.astype(int)[:, None], 1)
    short = np.maximum(0, x - own + margin + 0.013)
    np.testing.assert_allclose(result.tops[0], (short.sum() - 7 * (margin + 0.013)) / 7, rtol=1e-6)


def test_gradient_counts_the_classes_that_are_short() -> None:
    result = run_layer(make_layer("MultiClassHingeLoss"), SCORES, np.arange(3.0), top_diffs=[np.array(3.0)])
    np.testing.assert_allclose(result.bottom_diffs[0], [[-1, 1, 0], [0, 0, 0], [1, 1, -2]])


@pytest.mark.parametrize("label", [-1.0, 3.0, 0.5, 1e30, np.nan])
def test_a_label_that_is_no_class_gives_nan(label: float) -> None:
    result = run_layer(make_layer("MultiClassHingeLoss"), SCORES[:2], np.array([0.0, label]), top_diffs=[np.array(1.0)])
    diff = result.bottom_diffs[0]
    assert np.isnan(result.tops[0])
    assert diff is not None and np.isfinite(diff[0]).all() and np.isnan(diff[1]).all()


def test_a_score_that_is_not_a_number_shows_in_the_loss() -> None:
    assert np.isnan(forward(make_layer("MultiClassHingeLoss"), np.array([[0.0, np.nan, 1.0]]), np.zeros(1))[0])


def test_classes_and_shapes() -> None:
    layer = make_layer("MultiClassHingeLoss")
    assert layer.classes(((4, 3, 1, 2), (4,))) == {1: (6, None)}
    with pytest.raises(ShapeError, match="needs 4 labels"):
        layer.top_shapes(((4, 3), (2,)))
    with pytest.raises(ShapeError, match="axis 1 does not exist"):
        layer.top_shapes(((4,), (4,)))
    with pytest.raises(ValidationError):
        make_layer("MultiClassHingeLoss", margin=0)
