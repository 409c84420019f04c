"""PrecisionRecallF1 against counting for each class; scikit-learn's documented examples."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, distinct, forward, labels, make_layer
from tests.helpers.oracle import against
from tests.helpers.scoring import rows, same_for_every_batch_size

FOUR = ["precision", "recall", "f1", "support"]


def quotient(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def f1_of(p: float, r: float) -> float:
    return quotient(2 * p * r, p + r)


@pytest.mark.parametrize("average", ["MACRO", "WEIGHTED", "MICRO", "NONE"])
def test_definition(average: str) -> None:
    x, label = distinct(2, 4, 3, 5), labels(2, 3, 5, classes=4)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        found = [(own.index(max(own)), true) for own, true in rows(bottoms[0], bottoms[1], 3)]
        each, support, present = [], [], []
        for c in range(4):
            right = sum(best == true == c for best, true in found)
            predicted, true = sum(best == c for best, _ in found), sum(t == c for _, t in found)
            p, r = quotient(right, predicted), quotient(right, true)
            each.append((p, r, f1_of(p, r)))
            support.append(float(true))
            present.append(predicted + true > 0)
        if average == "NONE":
            return [*np.array(each).T, np.array(support)]
        if average == "MICRO":
            share = sum(best == true for best, true in found) / len(found)
            return [*(np.array(share),) * 3, np.array(support)]
        weights = [float(one) for one in present] if average == "MACRO" else support
        means = [sum(w * e[i] for w, e in zip(weights, each, strict=True)) / sum(weights) for i in range(3)]
        return [*map(np.array, means), np.array(support)]

    against(oracle, make_layer("PrecisionRecallF1", top=FOUR, average=average, ignore_label=3), [x, label])


@pytest.mark.parametrize(
    ("average", "wanted"),
    [
        ("MACRO", [2 / 9, 1 / 3, 4 / 15]),
        ("MICRO", [1 / 3, 1 / 3, 1 / 3]),
        ("WEIGHTED", [2 / 9, 1 / 3, 4 / 15]),
    ],
)
def test_example_by_hand(average: str, wanted: list[float]) -> None:
    """True 0 1 2 0 1 2, predicted 0 2 1 0 0 1: an example of scikit-learn's documentation."""
    predicted, true = np.eye(3)[[0, 2, 1, 0, 0, 1]], np.array([0.0, 1, 2, 0, 1, 2])
    tops = forward(make_layer("PrecisionRecallF1", top=FOUR[:3], average=average), predicted, true)
    np.testing.assert_allclose(tops, wanted, rtol=1e-14)


def test_a_class_that_neither_occurs_nor_is_predicted_is_left_out_of_the_mean() -> None:
    predicted, true = np.eye(4)[[0, 2, 2]], np.array([0.0, 2, 0])
    each = forward(make_layer("PrecisionRecallF1", top=FOUR, average="NONE"), predicted, true)
    np.testing.assert_allclose(each[0], [1, 0, 1 / 2, 0])
    np.testing.assert_allclose(each[1], [1 / 2, 0, 1, 0])
    np.testing.assert_array_equal(each[3], [2, 0, 1, 0])
    means = forward(make_layer("PrecisionRecallF1", top=FOUR[:3]), predicted, true)
    np.testing.assert_allclose(means, [3 / 4, 3 / 4, 2 / 3])


def test_nothing_that_counts_gives_zeros() -> None:
    for average in ("MACRO", "WEIGHTED", "MICRO", "NONE"):
        layer = make_layer("PrecisionRecallF1", top=FOUR, average=average, ignore_label=9)
        assert not any(top.any() for top in forward(layer, blob(2, 3), np.array([9.0, 9.0])))


def test_the_batch_size_does_not_matter() -> None:
    x, label = blob(23, 4, 2), labels(23, 2, classes=4)
    for average in ("MACRO", "WEIGHTED", "MICRO", "NONE"):
        layer = make_layer("PrecisionRecallF1", top=FOUR, average=average, ignore_label=1)
        same_for_every_batch_size(layer, x, label)


def test_errors() -> None:
    layer = make_layer("PrecisionRecallF1", top=FOUR, ignore_label=9)
    assert layer.classes(((2, 21, 3, 4), (2, 3, 4))) == {1: (21, 9)}
    assert layer.top_shapes(((5, 3), (5,))) == ((), (), (), (3,))
    assert np.isnan(forward(layer, blob(2, 3), np.array([1.0, 3.0]))[3]).all()
    with pytest.raises(ShapeError, match="has scores of 1 class"):
        layer.top_shapes(((5, 1), (5,)))
    with pytest.raises(ValidationError, match="MACRO"):
        make_layer("PrecisionRecallF1", top=FOUR, average="macro")
