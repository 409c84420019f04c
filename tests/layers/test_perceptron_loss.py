"""PerceptronLoss with one score and with several, and where it is at its corner."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest

from netspec.layers import _loss
from tests.helpers.checks import Array, blob, distinct, forward, labels, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("classes", [1, 2, 6])
def test_definition_and_derivatives(classes: int) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        x, label = bottoms
        total = 0.0
        for row, own in zip(x, label.astype(int), strict=True):
            if classes == 1:
                total += max(0, -(2 * own - 1) * row[0])
            else:
                total += max(0, *(row[c] - row[own] for c in range(classes) if c != own))
        return [np.array(total / len(x))]

    x = blob(9, 1, away_from=[0]) if classes == 1 else distinct(9, classes)
    with mock.patch.object(_loss, "GRAIN", 4):
        against(oracle, make_layer("PerceptronLoss"), [x, labels(9, classes=max(2, classes))])


def test_a_tie_is_a_mistake() -> None:
    """Rosenblatt's rule learns from weights of zero."""
    layer = make_layer("PerceptronLoss")
    result = run_layer(layer, np.zeros((2, 1)), np.array([0.0, 1.0]), top_diffs=[np.array(2.0)])
    assert result.tops[0] == 0
    np.testing.assert_array_equal(result.bottom_diffs[0], [[1], [-1]])
    result = run_layer(layer, np.zeros((1, 3)), np.array([1.0]), top_diffs=[np.array(1.0)])
    np.testing.assert_array_equal(result.bottom_diffs[0], [[1, -1, 0]])


def test_the_first_of_equal_rivals_gets_the_gradient() -> None:
    x = np.array([[2.0, 1.0, 3.0, 3.0]])
    result = run_layer(make_layer("PerceptronLoss"), x, np.array([0.0]), top_diffs=[np.array(1.0)])
    assert result.tops[0] == 1
    np.testing.assert_array_equal(result.bottom_diffs[0], [[-1, 0, 1, 0]])


@pytest.mark.parametrize("label", [-1.0, 2.0, 0.5, np.nan])
def test_a_label_that_is_neither_0_nor_1_gives_nan(label: float) -> None:
    layer = make_layer("PerceptronLoss")
    result = run_layer(layer, np.ones((1, 1)), np.array([label]), top_diffs=[np.array(1.0)])
    assert np.isnan(result.tops[0]) and np.isnan(result.bottom_diffs[0]).all()
    assert layer.classes(((4, 1), (4,))) == {1: (2, None)} and layer.classes(((4, 3), (4,))) == {1: (3, None)}


@pytest.mark.parametrize("x", [[[np.nan]], [[0.0, np.nan, 1.0]], [[np.nan, 0.0, 1.0]]])
def test_a_score_that_is_not_a_number_shows_in_the_loss(x: list[list[float]]) -> None:
    assert np.isnan(forward(make_layer("PerceptronLoss"), np.array(x), np.zeros(1))[0])
