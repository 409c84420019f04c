"""TopK against sorting each position's scores; ties; Accuracy for one k."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, distinct, forward, labels, make_layer
from tests.helpers.oracle import against
from tests.helpers.scoring import rows, same_for_every_batch_size

THREE = ["top1", "top4", "top2"]


def test_definition() -> None:
    x, label = distinct(2, 6, 4, 5), labels(2, 4, 5, classes=6)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        found = rows(bottoms[0], bottoms[1], 3)
        ranks = [sorted(own, reverse=True).index(own[true]) for own, true in found]
        return [np.array(sum(rank < k for rank in ranks) / len(ranks)) for k in (1, 4, 2)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        kept = bottoms[1] != 3
        right = [(bottoms[0].topk(k, 1).indices == bottoms[1][:, None]).any(1) for k in (1, 4, 2)]
        return [one[kept].double().mean() for one in right]

    layer = make_layer("TopK", top=THREE, top_k=(1, 4, 2), ignore_label=3)
    against(oracle, layer, [x, label], in_torch=in_torch)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_one_k_is_accuracy_ties_included(k: int) -> None:
    x, label = np.random.default_rng(1).integers(0, 3, (40, 5)).astype(float), labels(40, classes=5)
    (share,) = forward(make_layer("TopK", top_k=k, ignore_label=4), x, label)
    assert 0 < share < 1
    assert share == forward(make_layer("Accuracy", top_k=k, ignore_label=4), x, label)[0]


def test_the_batch_size_does_not_matter() -> None:
    layer = make_layer("TopK", top=THREE, top_k=(1, 4, 2), ignore_label=1)
    same_for_every_batch_size(layer, blob(23, 4, 2), labels(23, 2, classes=4))


def test_what_cannot_be_scored() -> None:
    layer = make_layer("TopK", top_k=1, ignore_label=9)
    assert forward(layer, blob(2, 3), np.array([9.0, 9.0]))[0] == 0
    assert np.isnan(forward(layer, blob(2, 3), np.array([1.0, 3.0]))[0])
    assert np.isnan(forward(layer, np.array([[np.nan, 1.0]]), np.array([1.0]))[0])
    assert layer.classes(((2, 21, 3, 4), (2, 3, 4))) == {1: (21, 9)}


def test_errors() -> None:
    with pytest.raises(ShapeError, match="`top_k` 4 is more than the 3 classes"):
        make_layer("TopK", top=["a", "b"], top_k=(1, 4)).top_shapes(((2, 3), (2,)))
    with pytest.raises(ShapeError, match="`top_k` has 2 numbers, but the layer has 1 top") as error:
        make_layer("TopK", top_k=(1, 2)).top_shapes(((2, 3), (2,)))
    assert error.value.help == "a top for each number, like `top: [top1, top2]`"
    for top_k in (0, (), (1, -2)):
        with pytest.raises(ValidationError, match="top_k"):
            make_layer("TopK", top_k=top_k)
