"""Accuracy against its definition: ties, top_k, ignored and impossible labels, classes that do not occur."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, check_layer, distinct, forward, labels, make_layer, run_layer
from tests.helpers.oracle import against


def accuracy(x: Any, label: Any, **fields: Any) -> float:
    return float(forward(make_layer("Accuracy", **fields), np.array(x, float), np.array(label, float))[0])


def hits(x: Array, label: Array, top_k: int) -> Array:
    """Whether the label is among the top_k largest of distinct scores; x: (N, C, ...)."""
    order = np.argsort(-x, axis=1)[:, :top_k]
    return (order == label[:, None]).any(axis=1)


@pytest.mark.parametrize("top_k", [1, 3])
def test_definition(top_k: int) -> None:
    x, label = distinct(2, 6, 4, 5), labels(2, 4, 5, classes=6)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        scores, right = np.moveaxis(bottoms[0], 1, -1), 0
        for place in np.ndindex(*label.shape):
            own = scores[place][int(label[place])]
            right += sum(score >= own for score in scores[place]) <= top_k
        return [np.array(right / label.size)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        best = bottoms[0].topk(top_k, 1).indices
        return [(best == bottoms[1][:, None]).any(1).double().mean()]

    result = against(oracle, make_layer("Accuracy", top_k=top_k), [x, label], in_torch=in_torch)
    np.testing.assert_allclose(result.tops[0], hits(x, label, top_k).mean())
    assert accuracy(np.moveaxis(x, 1, -1), label, top_k=top_k, axis=-1) == pytest.approx(result.tops[0])


def test_ignored_labels_do_not_count() -> None:
    x, label = distinct(50, 3), labels(50, classes=3)
    assert accuracy(x, label, ignore_label=1) == pytest.approx(hits(x, label, 1)[label != 1].mean())
    assert accuracy([[1, 2]], [255], ignore_label=255) == 0


def test_ties_count_against() -> None:
    assert accuracy([[1, 1, 1]], [0]) == 0
    assert accuracy([[1, 1, 0]], [0], top_k=2) == 1
    assert accuracy([[1, 1, 1]], [0], top_k=3) == 1
    assert accuracy([[2, 1, 1], [1, 1, 2]], [0, 1]) == 0.5


def test_per_class_accuracy_is_zero_for_a_class_that_does_not_occur() -> None:
    x, label = distinct(60, 5), np.where(labels(60, classes=5) == 4, 2, labels(60, classes=5))
    result = check_layer(make_layer("Accuracy", top=["accuracy", "per_class"], ignore_label=0), [x, label])
    right = hits(x, label, 1)
    np.testing.assert_allclose(result.tops[1], [0, *(right[label == c].mean() for c in (1, 2, 3)), 0])
    np.testing.assert_allclose(result.tops[0], right[label != 0].mean())


@pytest.mark.parametrize("label", [-1.0, 3.0, 0.5, 7.5, 1e30, np.nan])
def test_a_label_that_is_no_class_gives_nan(label: float) -> None:
    mean, per_class = forward(
        make_layer("Accuracy", top=["a", "b"], ignore_label=7),
        np.array([[1.0, 2, 3], [3, 2, 1]]),
        np.array([2.0, label]),
    )
    assert np.isnan(mean)
    np.testing.assert_array_equal(per_class, [0, 0, 1])


def test_scores_that_are_not_numbers_are_wrong() -> None:
    assert accuracy([[np.nan, 0.0], [0.0, np.nan], [np.nan, np.nan]], [0, 0, 1]) == 0
    assert accuracy([[np.nan, 0.0, 1.0]], [2], top_k=2) == 1


@pytest.mark.parametrize(("score", "label"), [(np.nan, 1.0), (0.5, 1.5), (0.5, np.nan)])
def test_statistics_of_what_cannot_be_scored_are_not_finite(score: float, label: float) -> None:
    """Positions with an ignored label are not looked at."""
    layer, x = make_layer("Accuracy", ignore_label=9), np.array([[1.0, 0.0], [score, 0.0], [0.0, 1.0]])
    counts = run_layer(layer, x, np.array([0.0, label, 9.0])).workspace["counts"]
    assert np.isnan(counts[-1])
    np.testing.assert_array_equal(counts[:2], [1, 1])
    counts = run_layer(layer, x, np.array([0.0, 9.0, 1.0])).workspace["counts"]
    np.testing.assert_array_equal(counts, [1, 1, 1, 1, 0])


def test_classes_and_shapes() -> None:
    layer = make_layer("Accuracy", top_k=4, ignore_label=9)
    assert layer.classes(((2, 21, 3, 4), (2, 3, 4))) == {1: (21, 9)}
    assert not layer.differentiable
    with pytest.raises(ShapeError, match="`top_k` 4 is more than the 3 classes"):
        layer.top_shapes(((2, 3), (2,)))
    with pytest.raises(ShapeError, match="needs 2 labels"):
        layer.top_shapes((blob(2, 5).shape, (3,)))
