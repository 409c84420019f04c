"""Slice: Caffe's cases along several axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.layers.base import Layer
from tests.helpers.checks import Array, blob, check_layer, forward, make_layer
from tests.helpers.oracle import against


def cut(tops: int, **fields: Any) -> Layer:
    return make_layer("Slice", top=["a", "b", "c"][:tops], **fields)


@pytest.mark.parametrize(
    ("layer", "axis", "points", "words"),
    [
        (cut(3, axis=0), 0, [2, 4], "6 = 2+2+2"),
        (cut(2, slice_point=3), 1, [3], "12 = 3+9"),
        (cut(3, slice_point=[2, 8]), 1, [2, 8], "12 = 2+6+4"),
        (cut(2), 1, [6], "12 = 6+6"),
        (cut(2, axis=-1, slice_point=[1]), 3, [1], "3 = 1+2"),
        (cut(2, slice_dim=2), 2, [1], "2 = 1+1"),
    ],
)
def test_pieces(layer: Layer, axis: int, points: list[int], words: str) -> None:
    x = blob(6, 12, 2, 3)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        tops = [np.empty(shape) for shape in layer.top_shapes((x.shape,))]
        for place in np.ndindex(*x.shape):
            number = sum(place[axis] >= point for point in points)
            moved = list(place)
            moved[axis] -= [0, *points][number]
            tops[number][tuple(moved)] = bottoms[0][place]
        return tops

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [*torch.tensor_split(bottoms[0], points, axis)]

    result = against(oracle, layer, [x], in_torch=in_torch)
    for top, wanted in zip(forward(layer, x), np.split(x, points, axis), strict=True):
        np.testing.assert_array_equal(top, wanted)
    assert layer.shape_arithmetic((x.shape,)) == words
    assert not layer.aliases("TRAIN") and len(result.tops) == len(points) + 1


def test_one_top_is_the_bottom() -> None:
    layer = cut(1)
    assert (
        layer.aliases("TRAIN") and layer.top_shapes(((2, 3),)) == ((2, 3),) and layer.shape_arithmetic(((2, 3),)) == ""
    )
    check_layer(layer, [blob(2, 3, 5)])
    assert make_layer("Slice").aliases("TEST")


@pytest.mark.parametrize(
    ("layer", "field"),
    [
        (cut(2, axis=2), "axis"),
        (cut(2, slice_dim=2), "slice_dim"),
        (cut(3), "top"),
        (cut(3, slice_point=[2, 5]), "slice_point.1"),
    ],
)
def test_refused_shapes(layer: Layer, field: str) -> None:
    with pytest.raises(ShapeError) as caught:
        layer.top_shapes(((4, 5),))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "fields",
    [
        {"slice_point": [1]},
        {"slice_point": [3, 3]},
        {"slice_point": [0, 3]},
        {"axis": 1, "slice_dim": 1},
        {"slice_dim": -1},
    ],
)
def test_refused_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        cut(3, **fields)
