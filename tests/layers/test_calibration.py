"""Calibration against sorting positions into bins one by one."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.layers._score import NotProbabilityError
from tests.helpers.checks import Array, forward, labels, make_layer
from tests.helpers.oracle import against
from tests.helpers.scoring import probabilities, rows, same_for_every_batch_size

FOUR = ["ece", "accuracy", "confidence", "positions"]


@pytest.mark.parametrize(("bins", "ignore"), [(15, None), (4, 1), (1, None)])
def test_definition(bins: int, ignore: int | None) -> None:
    p, label = probabilities(2, 4, 3, 5), labels(2, 3, 5, classes=4)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        found = [(max(own), own.index(max(own)) == true) for own, true in rows(*bottoms, ignore)]
        error, each = 0.0, []
        for b in range(bins):
            inside = [(sure, right) for sure, right in found if b / bins < sure <= (b + 1) / bins]
            number = len(inside)
            accuracy = sum(right for _, right in inside) / max(1, number)
            confidence = sum(sure for sure, _ in inside) / max(1, number)
            each.append((accuracy, confidence, float(number)))
            error += number / len(found) * abs(accuracy - confidence)
        return [np.array(error), *np.array(each).T]

    layer = make_layer("Calibration", top=FOUR, bins=bins, ignore_label=ignore)
    result = against(oracle, layer, [p, label])
    assert result.tops[3].sum() == len(rows(p, label, ignore))


def test_example_by_hand() -> None:
    """Confidences 0.8, 0.6, 0.9 and 0.5, the last on the edge of two bins and in the lower; 3 of 4 are right."""
    p = np.array([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9], [0.5, 0.5]])
    tops = forward(make_layer("Calibration", top=FOUR, bins=2), p, np.array([0.0, 1, 1, 0]))
    np.testing.assert_allclose(tops[0], (abs(1 - 0.5) + abs(2 - 2.3)) / 4)
    np.testing.assert_allclose(tops[1:], [[1, 2 / 3], [0.5, 2.3 / 3], [1, 3]])
    certain = forward(make_layer("Calibration", top=FOUR), np.eye(2), np.array([0.0, 0.0]))
    assert certain[0] == 0.5 and certain[3][-1] == 2


def test_the_batch_size_does_not_matter() -> None:
    layer = make_layer("Calibration", top=FOUR, bins=5, ignore_label=1)
    same_for_every_batch_size(layer, probabilities(23, 4, 2), labels(23, 2, classes=4))


def test_what_cannot_be_scored() -> None:
    layer = make_layer("Calibration", top=FOUR, ignore_label=9)
    assert layer.classes(((2, 21, 3, 4), (2, 3, 4))) == {1: (21, 9)}
    assert not any(top.any() for top in forward(layer, probabilities(2, 3), np.array([9.0, 9.0])))
    assert np.isnan(forward(layer, probabilities(2, 3), np.array([1.0, 3.0]))[0])
    assert np.isnan(forward(layer, np.array([[np.nan, 1.0]]), np.array([1.0]))[0])


def test_errors() -> None:
    with pytest.raises(NotProbabilityError, match=r"'calibration' \(Calibration\): reads a score of 3, ") as error:
        forward(make_layer("Calibration"), np.array([[0.5, 0.5], [3.0, 1.0]]), np.array([0.0, 1.0]))
    assert error.value.help == "put a Softmax layer, or for a single score a Sigmoid, below it"
    forward(make_layer("Calibration"), np.array([[1 + 1e-7, -1e-7]]), np.array([0.0]))
    with pytest.raises(ShapeError, match="has scores of 1 class"):
        make_layer("Calibration").top_shapes(((5, 1), (5,)))
    for bins in (0, -1, 2**21):
        with pytest.raises(ValidationError, match="bins"):
            make_layer("Calibration", bins=bins)
