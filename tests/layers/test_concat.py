"""Concat: Caffe's cases along every axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, check_layer, forward, make_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize(
    ("axis", "others", "words"),
    [
        (1, (2, 5, 6, 7), "3+5 = 8"),
        (0, (5, 3, 6, 7), "2+5 = 7"),
        (-3, (2, 5, 6, 7), "3+5 = 8"),
        (3, (2, 3, 6, 1), "7+1 = 8"),
    ],
)
def test_two_bottoms(axis: int, others: tuple[int, ...], words: str) -> None:
    layer, bottoms = make_layer("Concat", axis=axis, bottom=["a", "b"]), [blob(2, 3, 6, 7), blob(*others, seed=2)]

    def oracle(given: list[Array], _: list[Array]) -> list[Array]:
        y, first = np.empty(layer.top_shapes(tuple(x.shape for x in given))[0]), 0
        for x in given:
            for place in np.ndindex(*x.shape):
                moved = list(place)
                moved[axis] += first
                y[tuple(moved)] = x[place]
            first += x.shape[axis]
        return [y]

    def in_torch(given: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.cat(given, axis)]

    against(oracle, layer, bottoms, in_torch=in_torch)
    (y,) = forward(layer, *bottoms)
    np.testing.assert_array_equal(y, np.concatenate(bottoms, axis))
    assert layer.shape_arithmetic((bottoms[0].shape, others)) == words


def test_three_bottoms_of_which_one_wants_no_gradient() -> None:
    bottoms = [blob(2, c, 5, seed=c) for c in (3, 4, 1)]
    layer = make_layer("Concat", bottom=["a", "b", "c"])
    check_layer(layer, bottoms, wanted=[0, 2])
    np.testing.assert_array_equal(forward(layer, *bottoms)[0], np.concatenate(bottoms, 1))


def test_the_old_word_for_the_axis() -> None:
    bottoms = [blob(2, 3, 5, seed=seed) for seed in (1, 2)]
    layer = make_layer("Concat", bottom=["a", "b"], concat_dim=2)
    check_layer(layer, bottoms)
    np.testing.assert_array_equal(forward(layer, *bottoms)[0], np.concatenate(bottoms, 2))
    assert layer.shape_arithmetic(tuple(b.shape for b in bottoms)) == "5+5 = 10"
    with pytest.raises(ShapeError, match="axis 3 does not exist") as caught:
        make_layer("Concat", concat_dim=3).top_shapes(((2, 3, 5),))
    assert caught.value.field == "concat_dim"
    with pytest.raises(ValidationError):
        make_layer("Concat", axis=1, concat_dim=1)


def test_one_bottom_is_passed_on() -> None:
    for layer in (make_layer("Concat"), make_layer("Concat", bottom="a")):
        assert layer.aliases("TRAIN") and layer.top_shapes(((2, 3),)) == ((2, 3),)
        check_layer(layer, [blob(2, 3, 5)])
    assert not make_layer("Concat", bottom=["a", "b"]).aliases("TRAIN")


@pytest.mark.parametrize("other", [(2, 3, 6), (2, 5, 6, 4), (1, 5, 6, 7)])
def test_refused_shapes(other: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="differ in more than axis 1") as caught:
        make_layer("Concat", bottom=["a", "b"]).top_shapes(((2, 3, 6, 7), other))
    assert caught.value.field == "bottom.1"
