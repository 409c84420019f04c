"""ContrastiveLoss against Caffe's numbers and formulas, in both forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, forward, labels, make_layer, run_layer
from tests.helpers.oracle import against


def loss_of(distance: float, alike: float, **fields: Any) -> float:
    a, b = np.zeros((1, 2)), np.array([[0.6 * distance, 0.8 * distance]])
    return float(forward(make_layer("ContrastiveLoss", **fields), a, b, np.array([alike]))[0])


def test_published_values() -> None:
    assert loss_of(0.5, 1) == pytest.approx(0.125)
    assert loss_of(0.5, 0) == pytest.approx(0.125)
    assert loss_of(0.5, 0, legacy_version=True) == pytest.approx(0.375)
    assert loss_of(2, 0) == 0 and loss_of(2, 0, legacy_version=True) == 0


@pytest.mark.parametrize("legacy", [False, True])
def test_definition_and_derivatives(legacy: bool) -> None:
    margin = 8.5 if legacy else 3.0

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        a, b, y = bottoms
        total = 0.0
        for n in range(len(y)):
            square = sum((a[n].ravel()[c] - b[n].ravel()[c]) ** 2 for c in range(a[n].size))
            if y[n]:
                total += square
            elif legacy:
                total += max(margin - square, 0)
            else:
                total += max(margin - square**0.5, 0) ** 2
        return [np.array(total / (2 * len(y)))]

    layer = make_layer("ContrastiveLoss", margin=margin, legacy_version=legacy)
    a, b, y = blob(12, 5), blob(12, 5, 1, seed=2), labels(12, classes=2)
    result = against(oracle, layer, [a, b, y], rtol=1e-10, **{} if legacy else {"backward": False})
    assert (result.tops[0] > 0).all()


def test_gradients_are_caffes() -> None:
    """Caffe divides by d + 1e-4; loss_layer.cpp's formulas, written out."""
    a, b, y = blob(16, 3), blob(16, 3, seed=2), labels(16, classes=2)
    diff, d = a - b, np.sqrt(((a - b) ** 2).sum(1))
    for legacy in (False, True):
        layer = make_layer("ContrastiveLoss", margin=2.0, legacy_version=legacy)
        result = run_layer(layer, a, b, y, top_diffs=[np.array(3.7)])
        short = 2.0 - (d**2 if legacy else d)
        factor = np.where(y == 1, 1, np.where(short > 0, -1 if legacy else -short / (d + 1e-4), 0))
        np.testing.assert_allclose(result.bottom_diffs[0], factor[:, None] * diff * 3.7 / 16)
        np.testing.assert_allclose(result.bottom_diffs[1], -factor[:, None] * diff * 3.7 / 16)
        assert (short[y == 0] > 0).any() and (short[y == 0] < 0).any()


def test_equal_features_that_should_differ_have_a_finite_gradient() -> None:
    result = run_layer(make_layer("ContrastiveLoss"), np.ones((1, 3)), np.ones((1, 3)), np.zeros(1), top_diffs=[1.0])
    np.testing.assert_array_equal(result.bottom_diffs[0], np.zeros((1, 3)))


@pytest.mark.parametrize("y", [-1.0, 2.0, 0.5, np.nan])
def test_a_word_that_is_neither_0_nor_1_gives_nan(y: float) -> None:
    result = run_layer(make_layer("ContrastiveLoss"), blob(1, 3), blob(1, 3, seed=2), np.array([y]), top_diffs=[1.0])
    assert np.isnan(result.tops[0]) and np.isnan(result.bottom_diffs[0]).all()


@pytest.mark.parametrize(("y", "alike"), [(-1.0, 1), (2.0, 1), (1.5, 1), (0.5, 0), (-0.9, 0), (0.0, 0), (1.0, 1)])
def test_any_label_is_read_as_caffe_reads_it(y: float, alike: int) -> None:
    """Caffe makes a whole number of y, and asks whether it is 0."""
    layer, usual = make_layer("ContrastiveLoss", any_label=True), make_layer("ContrastiveLoss")
    assert usual.classes(((1, 3), (1, 3), (1,))) and not layer.classes(((1, 3), (1, 3), (1,)))
    a, b = blob(1, 3), blob(1, 3, seed=2) * 0.5
    ours, wanted = (
        run_layer(one, a, b, np.array([label]), top_diffs=[1.0]) for one, label in ((layer, y), (usual, float(alike)))
    )
    assert ours.tops[0] == wanted.tops[0] and np.isfinite(ours.tops[0])
    np.testing.assert_array_equal(ours.bottom_diffs[0], wanted.bottom_diffs[0])
    assert np.isnan(run_layer(layer, a, b, np.array([np.nan]), top_diffs=[1.0]).tops[0])


def test_shapes_and_fields() -> None:
    layer = make_layer("ContrastiveLoss")
    assert layer.classes(((4, 3), (4, 3), (4,))) == {2: (2, None)}
    assert layer.top_shapes(((4, 3), (4, 3, 1), (4, 1))) == ((),)
    for shapes in (((4, 3), (4, 2), (4,)), ((4, 3), (3, 4), (4,)), ((4, 3), (4, 3), (4, 2)), ((), (), ())):
        with pytest.raises(ShapeError, match="the same batch size"):
            layer.top_shapes(shapes)
    with pytest.raises(ValidationError):
        make_layer("ContrastiveLoss", margin=0)
