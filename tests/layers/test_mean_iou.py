"""MeanIoU against sets of positions."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, distinct, forward, labels, make_layer
from tests.helpers.oracle import against
from tests.helpers.scoring import rows, same_for_every_batch_size


def overlaps(scores: Array, label: Array, classes: int, ignore: int | None, axis: int = 1) -> list[Array]:
    found = [(own.index(max(own)), true) for own, true in rows(scores, label, ignore, axis)]
    each, present = [], 0
    for c in range(classes):
        mine = {i for i, (best, _) in enumerate(found) if best == c}
        true = {i for i, (_, label) in enumerate(found) if label == c}
        each.append(len(mine & true) / len(mine | true) if mine | true else 0.0)
        present += bool(mine | true)
    return [np.array(sum(each) / present), np.array(each)]


@pytest.mark.parametrize("ignore", [None, 1])
def test_definition(ignore: int | None) -> None:
    x, label = distinct(2, 4, 3, 5), labels(2, 3, 5, classes=4)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        return overlaps(bottoms[0], bottoms[1], 4, ignore)

    against(oracle, make_layer("MeanIoU", top=["iou", "each"], ignore_label=ignore), [x, label])
    last = forward(make_layer("MeanIoU", axis=-1, ignore_label=ignore), np.moveaxis(x, 1, -1), label)
    np.testing.assert_allclose(last[0], overlaps(x, label, 4, ignore)[0])


def test_example_by_hand() -> None:
    """Class 0 meets 1 of 2 positions, class 1 1 of 3, class 2 1 of 2; class 3 is nowhere, and no part of the mean."""
    predicted, true = np.eye(4)[[0, 1, 1, 1, 2]], np.array([0.0, 0, 1, 2, 2])
    mean, each = forward(make_layer("MeanIoU", top=["iou", "each"]), predicted, true)
    np.testing.assert_allclose(each, [1 / 2, 1 / 3, 1 / 2, 0])
    np.testing.assert_allclose(mean, 4 / 9)


def test_nothing_that_counts_gives_zeros() -> None:
    layer = make_layer("MeanIoU", top=["iou", "each"], ignore_label=9)
    assert not any(top.any() for top in forward(layer, blob(2, 3), np.array([9.0, 9.0])))


def test_the_batch_size_does_not_matter() -> None:
    layer = make_layer("MeanIoU", top=["iou", "each"], ignore_label=1)
    same_for_every_batch_size(layer, blob(23, 4, 2), labels(23, 2, classes=4))


def test_errors() -> None:
    layer = make_layer("MeanIoU", ignore_label=9)
    assert layer.classes(((2, 21, 3, 4), (2, 3, 4))) == {1: (21, 9)}
    assert np.isnan(forward(layer, blob(2, 3), np.array([1.0, 3.0]))[0])
    with pytest.raises(ShapeError, match="has scores of 1 class"):
        layer.top_shapes(((5, 1), (5,)))
    with pytest.raises(ShapeError, match="needs 4 labels"):
        layer.top_shapes(((4, 3), (5,)))
