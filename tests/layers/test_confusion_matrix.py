"""ConfusionMatrix against counting one position after the other: shares, ties, ignored and impossible labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, distinct, forward, labels, make_layer, run_layer
from tests.helpers.oracle import against
from tests.helpers.scoring import cut_into, rows, same_for_every_batch_size


def counted(scores: Array, label: Array, classes: int, ignore: int | None = None, axis: int = 1) -> list[list[float]]:
    matrix = [[0.0] * classes for _ in range(classes)]
    for own, true in rows(scores, label, ignore, axis):
        matrix[true][own.index(max(own))] += 1
    return matrix


@pytest.mark.parametrize("normalize", ["NONE", "ROWS", "COLUMNS", "ALL"])
def test_definition(normalize: str) -> None:
    x, label = distinct(2, 4, 3, 5), labels(2, 3, 5, classes=4)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        matrix = counted(bottoms[0], bottoms[1], 4, ignore=2)
        sums = {
            "NONE": lambda i, j: 1.0,
            "ROWS": lambda i, j: sum(matrix[i]),
            "COLUMNS": lambda i, j: sum(row[j] for row in matrix),
            "ALL": lambda i, j: sum(map(sum, matrix)),
        }[normalize]
        return [np.array([[matrix[i][j] / (sums(i, j) or 1.0) for j in range(4)] for i in range(4)])]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        best, true = bottoms[0].argmax(1).flatten(), bottoms[1].long().flatten()
        kept = true != 2
        matrix = torch.zeros(4, 4, dtype=torch.float64)
        matrix.index_put_((true[kept], best[kept]), torch.ones(1, dtype=torch.float64), accumulate=True)
        axis = {"NONE": None, "ROWS": 1, "COLUMNS": 0, "ALL": (0, 1)}[normalize]
        return [matrix if axis is None else matrix / matrix.sum(axis, keepdim=True).clip(1)]

    layer = make_layer("ConfusionMatrix", normalize=normalize, ignore_label=2)
    result = against(oracle, layer, [x, label], in_torch=in_torch)
    assert result.tops[0].sum() > 0 and not result.tops[0][2].any()


def test_the_axis_of_the_classes_may_be_the_last() -> None:
    x, label = distinct(2, 5, 3), labels(2, 5, classes=3)
    (matrix,) = forward(make_layer("ConfusionMatrix", axis=-1), x, label)
    np.testing.assert_array_equal(matrix, counted(x, label, 3, axis=2))


def test_example_by_hand() -> None:
    """True 2 0 2 2 0 1, predicted 0 0 2 2 0 2: an example of scikit-learn's documentation."""
    predicted = np.eye(3)[[0, 0, 2, 2, 0, 2]]
    (matrix,) = forward(make_layer("ConfusionMatrix"), predicted, np.array([2.0, 0, 2, 2, 0, 1]))
    np.testing.assert_array_equal(matrix, [[2, 0, 0], [0, 0, 1], [1, 0, 2]])


def test_of_equal_scores_the_first_is_predicted() -> None:
    (matrix,) = forward(make_layer("ConfusionMatrix"), np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 2.0]]), np.array([1.0, 2]))
    np.testing.assert_array_equal(matrix, [[0, 0, 0], [1, 0, 0], [0, 1, 0]])


def test_the_batch_size_does_not_matter() -> None:
    x, label = blob(23, 4, 2), labels(23, 2, classes=4)
    for normalize in ("NONE", "ROWS"):
        same_for_every_batch_size(make_layer("ConfusionMatrix", normalize=normalize, ignore_label=1), x, label)
    (matrix,) = cut_into(make_layer("ConfusionMatrix"), x, label, 7)
    np.testing.assert_array_equal(matrix, counted(x, label, 4))


@pytest.mark.parametrize("label", [-1.0, 3.0, 0.5, np.nan, np.inf, 1e30])
def test_a_label_that_is_no_class_gives_nan(label: float) -> None:
    result = run_layer(make_layer("ConfusionMatrix", ignore_label=7), blob(2, 3), np.array([2.0, label]))
    assert np.isnan(result.tops[0]).all()
    assert np.isnan(result.workspace["statistics"][1:]).all()


def test_scores_that_are_not_numbers_give_nan_unless_they_are_ignored() -> None:
    x = np.array([[1.0, 0.0], [np.nan, 2.0]])
    assert np.isnan(forward(make_layer("ConfusionMatrix"), x, np.array([0.0, 1.0]))[0]).all()
    (matrix,) = forward(make_layer("ConfusionMatrix", ignore_label=9), x, np.array([0.0, 9.0]))
    np.testing.assert_array_equal(matrix, [[1, 0], [0, 0]])
    assert not forward(make_layer("ConfusionMatrix", ignore_label=9), x, np.array([9.0, 9.0]))[0].any()


def test_errors() -> None:
    layer = make_layer("ConfusionMatrix", ignore_label=9)
    assert layer.classes(((2, 21, 3, 4), (2, 3, 4))) == {1: (21, 9)}
    assert not layer.differentiable and layer.without_diff(2) == {1}
    with pytest.raises(ShapeError, match="has scores of 1 class, but ConfusionMatrix needs 2 or more"):
        layer.top_shapes(((5, 1), (5,)))
    with pytest.raises(ShapeError, match="needs 2 labels"):
        layer.top_shapes(((2, 3), (3,)))
    with pytest.raises(ShapeError, match="axis 4 does not exist"):
        make_layer("ConfusionMatrix", axis=4).top_shapes(((2, 3), (2,)))
    with pytest.raises(ValidationError, match="NONE"):
        make_layer("ConfusionMatrix", normalize="TRUE")
