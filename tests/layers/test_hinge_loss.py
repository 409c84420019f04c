"""HingeLoss against Caffe's numbers and the definition; labels that are no class."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.layers import _loss
from tests.helpers.checks import Array, blob, forward, labels, make_layer, run_layer
from tests.helpers.oracle import against

CAFFE = np.array([[1, -0.5, 0.2], [-2, 0.3, 0.4]]), np.array([0.0, 2.0])


def test_published_values() -> None:
    assert forward(make_layer("HingeLoss"), *CAFFE)[0] == pytest.approx(1.8)
    assert forward(make_layer("HingeLoss", norm="L2"), *CAFFE)[0] == pytest.approx(1.87)


@pytest.mark.parametrize("norm", ["L1", "L2"])
def test_definition_and_derivatives(norm: str) -> None:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        x, label = bottoms
        total = 0.0
        for n in range(10):
            for c in range(6):
                delta = 1 if c == label[n] else -1
                total += max(0, 1 - delta * x[n].ravel()[c]) ** (2 if norm == "L2" else 1)
        return [np.array(total / 10)]

    x = blob(10, 2, 3, scale=10, away_from=[-1, 1])
    with mock.patch.object(_loss, "GRAIN", 4):
        against(oracle, make_layer("HingeLoss", norm=norm), [x, labels(10, classes=6)])


def test_gradients() -> None:
    for norm, wanted in (("L1", [[-0, 1, 1], [0, 1, -1]]), ("L2", [[-0, 1, 2.4], [0, 2.6, -1.2]])):
        result = run_layer(make_layer("HingeLoss", norm=norm), *CAFFE, top_diffs=[np.array(2.0)])
        np.testing.assert_allclose(result.bottom_diffs[0], wanted)


@pytest.mark.parametrize("label", [-1.0, 3.0, 0.5, np.nan])
def test_a_label_that_is_no_class_gives_nan(label: float) -> None:
    result = run_layer(make_layer("HingeLoss"), CAFFE[0], np.array([0.0, label]), top_diffs=[np.array(1.0)])
    diff = result.bottom_diffs[0]
    assert np.isnan(result.tops[0])
    assert diff is not None and np.isfinite(diff[0]).all() and np.isnan(diff[1]).all()


def test_a_score_that_is_not_a_number_shows_in_the_loss() -> None:
    assert np.isnan(forward(make_layer("HingeLoss"), np.array([[0.0, np.nan]]), np.zeros(1))[0])


def test_classes_and_shapes() -> None:
    layer = make_layer("HingeLoss")
    assert layer.classes(((4, 3, 2), (4,))) == {1: (6, None)}
    assert layer.chance(((4, 3), (4,))) == forward(layer, np.zeros((4, 3)), np.zeros(4))[0] == 3
    with pytest.raises(ShapeError, match="needs 4 labels"):
        layer.top_shapes(((4, 3), (2,)))
