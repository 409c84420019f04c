"""AveragePrecision against going through all thresholds; ties, classes without positives, counts in bins."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.layers._score import NotProbabilityError
from tests.helpers.checks import Array, blob, forward, labels, make_layer
from tests.helpers.oracle import against
from tests.helpers.scoring import probabilities, rows, same_for_every_batch_size

BOTH = ["map", "each"]


def precision(pairs: list[tuple[float, bool]]) -> float | None:
    """Of pairs (score, whether it is a positive)."""
    positives = sum(positive for _, positive in pairs)
    if not positives:
        return None
    total, before = 0.0, 0.0
    for threshold in sorted({score for score, _ in pairs}, reverse=True):
        found = [positive for score, positive in pairs if score >= threshold]
        recall = sum(found) / positives
        total += (recall - before) * sum(found) / len(found)
        before = recall
    return total


def precisions(found: list[tuple[list[float], int]], classes: int) -> list[Array]:
    each = [precision([(own[c], true == c) for own, true in found]) for c in range(classes)]
    known = [value for value in each if value is not None]
    return [np.array(sum(known) / len(known)), np.array([value or 0.0 for value in each])]


@pytest.mark.parametrize("ignore", [None, 1])
def test_definition(ignore: int | None) -> None:
    """Rounded scores, so that there are ties; no position is of class 3."""
    x, label = blob(2, 4, 3, 5).round(1), labels(2, 3, 5, classes=3)
    layer = make_layer("AveragePrecision", top=BOTH, ignore_label=ignore)
    result = against(lambda bottoms, _: precisions(rows(*bottoms, ignore), 4), layer, [x, label])
    assert result.tops[1][3] == 0 < result.tops[1][0]


def test_a_single_score_is_that_of_class_1() -> None:
    x, label = blob(20).round(1), labels(20, classes=2)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        value = precision([*zip(bottoms[0].tolist(), (bottoms[1] == 1).tolist(), strict=True)])
        return [np.array(value), np.array([value])]

    against(oracle, make_layer("AveragePrecision", top=BOTH), [x, label])


def test_example_by_hand() -> None:
    """Scores 0.1 0.4 0.35 0.8 of 0 0 1 1, an example of scikit-learn's documentation: (1/1 + 2/3) / 2."""
    x, label = np.array([0.1, 0.4, 0.35, 0.8]), np.array([0.0, 0, 1, 1])
    assert forward(make_layer("AveragePrecision"), x, label)[0] == pytest.approx(5 / 6)
    assert forward(make_layer("AveragePrecision"), np.zeros(4), label)[0] == 0.5
    assert forward(make_layer("AveragePrecision"), x, np.zeros(4))[0] == 0


@pytest.mark.parametrize("bins", [2, 7, 50])
def test_bins_are_the_precision_of_scores_rounded_down(bins: int) -> None:
    x, label = probabilities(2, 4, 3, 5).astype(np.float32).astype(float), labels(2, 3, 5, classes=4)
    low = np.floor(x * bins)
    layer = make_layer("AveragePrecision", top=BOTH, bins=bins)
    against(lambda bottoms, _: precisions(rows(low, label), 4), layer, [x, label])
    same_for_every_batch_size(layer, probabilities(23, 4), labels(23, classes=4))


def test_the_batch_size_does_not_matter() -> None:
    layer = make_layer("AveragePrecision", top=BOTH, ignore_label=1)
    same_for_every_batch_size(layer, blob(23, 4, 2).round(1), labels(23, 2, classes=4))


def test_errors() -> None:
    layer = make_layer("AveragePrecision", ignore_label=9)
    assert layer.classes(((2, 21, 3, 4), (2, 3, 4))) == {1: (21, 9)}
    assert layer.classes(((6, 1), (6,))) == {1: (2, 9)}
    assert np.isnan(forward(layer, blob(2, 3), np.array([1.0, 3.0]))[0])
    with pytest.raises(ShapeError, match="needs 5 labels"):
        layer.top_shapes(((5, 3), (4,)))
    with pytest.raises(ValidationError, match="bins"):
        make_layer("AveragePrecision", bins=1)
    with pytest.raises(NotProbabilityError, match=r"-0\.25"):
        forward(make_layer("AveragePrecision", bins=10), np.array([0.5, -0.25]), np.array([0.0, 1.0]))
