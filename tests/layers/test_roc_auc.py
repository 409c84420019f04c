"""RocAuc against every pair of a positive and a negative; ties, classes without pairs, counts in bins."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.layers._score import NotProbabilityError
from tests.helpers.checks import Array, blob, forward, labels, make_layer, run_layer
from tests.helpers.oracle import against
from tests.helpers.scoring import measure_of, probabilities, rows, same_for_every_batch_size

BOTH = ["area", "each"]


def area(positives: list[float], negatives: list[float]) -> float | None:
    won = [float(p > n) + 0.5 * (p == n) for p in positives for n in negatives]
    return sum(won) / len(won) if won else None


def areas(found: list[tuple[list[float], int]], classes: int) -> list[Array]:
    each = [
        area([own[c] for own, true in found if true == c], [own[c] for own, true in found if true != c])
        for c in range(classes)
    ]
    known = [value for value in each if value is not None]
    return [np.array(sum(known) / len(known)), np.array([value or 0.0 for value in each])]


@pytest.mark.parametrize("ignore", [None, 1])
def test_definition(ignore: int | None) -> None:
    """Rounded scores, so that there are ties; no position is of class 3."""
    x, label = blob(2, 4, 3, 5).round(1), labels(2, 3, 5, classes=3)
    layer = make_layer("RocAuc", top=BOTH, ignore_label=ignore)
    result = against(lambda bottoms, _: areas(rows(*bottoms, ignore), 4), layer, [x, label])
    assert result.tops[1][3] == 0 < result.tops[1][0]


@pytest.mark.parametrize("shape", [(20,), (20, 1)])
def test_a_single_score_is_that_of_class_1(shape: tuple[int, ...]) -> None:
    x, label = blob(*shape).round(1), labels(20, classes=2)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        pairs = [*zip(bottoms[0].reshape(-1).tolist(), bottoms[1].tolist(), strict=True)]
        value = area([x for x, true in pairs if true == 1], [x for x, true in pairs if true == 0])
        return [np.array(value), np.array([value])]

    against(oracle, make_layer("RocAuc", top=BOTH), [x, label])


def test_examples_by_hand() -> None:
    """Scores 0.1 0.4 0.35 0.8 of 0 0 1 1, an example of scikit-learn's documentation: 3 of 4 pairs are right."""
    x = np.array([0.1, 0.4, 0.35, 0.8])
    layer = make_layer("RocAuc")
    assert forward(layer, x, np.array([0.0, 0, 1, 1]))[0] == 0.75
    assert forward(layer, np.full(4, 0.3), np.array([0.0, 0, 1, 1]))[0] == 0.5
    assert forward(layer, -x, np.array([0.0, 0, 1, 1]))[0] == 0.25


def test_one_class_alone_has_no_area() -> None:
    layer = make_layer("RocAuc", top=BOTH, ignore_label=9)
    for label in (0.0, 1.0, 9.0):
        assert not any(top.any() for top in forward(layer, blob(3, 2), np.full(3, label)))


@pytest.mark.parametrize("bins", [2, 7, 50])
def test_bins_are_the_area_of_scores_rounded_down(bins: int) -> None:
    x, label = probabilities(2, 4, 3, 5).astype(np.float32).astype(float), labels(2, 3, 5, classes=4)
    low = np.floor(x * bins)
    layer = make_layer("RocAuc", top=BOTH, bins=bins)
    against(lambda bottoms, _: areas(rows(low, label), 4), layer, [x, label])
    same_for_every_batch_size(layer, probabilities(23, 4), labels(23, classes=4))


def test_the_ends_of_the_bins_are_scores() -> None:
    (value,) = forward(make_layer("RocAuc", bins=4), np.array([0.0, 1.0, 1.0, 0.0]), np.array([0.0, 1, 1, 1]))
    assert value == (1 + 1 + 0.5) / 3


def test_the_batch_size_does_not_matter() -> None:
    layer = make_layer("RocAuc", top=BOTH, ignore_label=1)
    same_for_every_batch_size(layer, blob(23, 4, 2).round(1), labels(23, 2, classes=4))
    same_for_every_batch_size(make_layer("RocAuc", top=BOTH), blob(23, 1).round(1), labels(23, classes=2))


def test_what_a_test_keeps() -> None:
    """All labels and scores that count; with bins only so many counts, however many samples there are."""
    x, label = probabilities(6, 3), np.array([0.0, 1, 9, 2, 9, 1])
    exact, counts = (make_layer("RocAuc", ignore_label=9, bins=bins) for bins in (None, 5))
    assert run_layer(exact, x, label).workspace["statistics"][0] == 4 * (1 + 3)
    assert len(measure_of(exact, x, label).measure(x, label)) == 4 * (1 + 3)
    assert len(measure_of(counts, x, label).measure(x, label)) == 3 * 2 * 5


def test_what_cannot_be_scored() -> None:
    layer = make_layer("RocAuc", ignore_label=9)
    assert np.isnan(forward(layer, blob(2, 3), np.array([1.0, 3.0]))[0])
    assert np.isnan(forward(layer, blob(2), np.array([1.0, 2.0]))[0])
    assert np.isnan(forward(layer, np.array([[np.nan, 1.0]]), np.array([1.0]))[0])
    assert np.isnan(forward(make_layer("RocAuc", bins=3), np.array([[np.nan, 1.0]]), np.array([1.0]))[0])
    assert layer.classes(((2, 21, 3, 4), (2, 3, 4))) == {1: (21, 9)}
    assert layer.classes(((6, 1), (6,))) == layer.classes(((6,), (6, 1))) == {1: (2, 9)}


def test_errors() -> None:
    with pytest.raises(ShapeError, match="needs 5 labels"):
        make_layer("RocAuc").top_shapes(((5, 3), (4,)))
    for bins in (1, 0, -3, 2**21):
        with pytest.raises(ValidationError, match="bins"):
            make_layer("RocAuc", bins=bins)
    with pytest.raises(NotProbabilityError, match=r"reads a score of 1\.5, which is no probability"):
        forward(make_layer("RocAuc", bins=10), np.array([0.5, 1.5]), np.array([0.0, 1.0]))
