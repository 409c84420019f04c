"""Unpooling against its definition, Pooling and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, distinct, forward, make_layer, run_layer
from tests.helpers.oracle import against

CASES: list[tuple[tuple[int, ...], dict[str, Any], dict[str, Any]]] = [
    ((2, 3, 6, 8), {"kernel_size": 2, "stride": 2}, {"kernel_size": 2, "stride": 2}),
    ((2, 3, 7, 8), {"kernel_size": 3, "stride": 2}, {"output_size": [7, 8]}),
    ((2, 17, 7, 8), {"kernel_size": 3, "stride": 2, "pad": 1}, {}),
    ((2, 3, 9), {"kernel_size": 2, "stride": 2}, {"output_size": 9}),
    ((2, 3, 4, 6, 8), {"kernel_size": 2, "stride": 2}, {"kernel_size": 2, "stride": 2}),
]
"""(the shape that is pooled, fields of Pooling, of Unpooling)."""


@pytest.mark.parametrize(("shape", "pooled", "fields"), CASES, ids=str)
def test_definition(shape: tuple[int, ...], pooled: dict[str, Any], fields: dict[str, Any]) -> None:
    image = distinct(*shape)
    y, mask = forward(make_layer("Pooling", top=["y", "mask"], **pooled), image)
    layer = make_layer("Unpooling", bottom=["y", "mask", "x"][: 2 if fields else 3], **fields)
    bottoms = [blob(*y.shape), mask] + ([] if fields else [image])

    def oracle(given: list[Array], _: list[Array]) -> list[Array]:
        x, places, *_ = given
        result = np.zeros((*shape[:2], int(np.prod(shape[2:]))))
        for n, c, *at in np.ndindex(*x.shape):
            result[n, c, int(places[(n, c, *at)])] += x[(n, c, *at)]
        return [result.reshape(shape)]

    def in_torch(given: list[Any], _: list[Any]) -> list[Any]:
        import torch

        x, places, *_ = given
        kind = getattr(torch.nn.functional, f"max_unpool{len(shape) - 2}d")
        return [kind(x, places.detach().long(), 2, 2, output_size=shape[2:])]

    apart = pooled["kernel_size"] <= pooled["stride"]
    against(oracle, layer, bottoms, in_torch=in_torch if apart else None)


def test_what_was_pooled_comes_back_to_its_places() -> None:
    image = np.abs(distinct(2, 3, 6, 8)) + 1
    y, mask = forward(make_layer("Pooling", top=["y", "mask"], kernel_size=2, stride=2), image)
    (back,) = forward(make_layer("Unpooling", kernel_size=2, stride=2), y, mask)
    most = np.kron(y, np.ones((2, 2)))
    np.testing.assert_array_equal(back, np.where(image == most, image, 0))


@pytest.mark.parametrize("wrong", [-1, 6, 2.5, np.nan, np.inf, 1e30])
def test_no_place_of_the_plane_shows(wrong: float) -> None:
    """No value is written elsewhere; the plane gets a NaN, and the value no gradient that is a number."""
    x, mask = np.ones((1, 2, 1, 2)), np.array([[[[1, 5]], [[wrong, 2]]]], float)
    result = run_layer(make_layer("Unpooling", output_size=[2, 3]), x, mask, top_diffs=[np.ones((1, 2, 2, 3))])
    np.testing.assert_array_equal(result.tops[0], [[[[0, 1, 0], [0, 0, 1]], [[np.nan, 0, 1], [0, 0, 0]]]])
    np.testing.assert_array_equal(result.bottom_diffs[0], [[[[1, 1]], [[np.nan, 1]]]])


def test_shapes() -> None:
    layer = make_layer("Unpooling", kernel_size=3, stride=2, pad=1)
    assert layer.top_shapes(((2, 3, 4, 5),) * 2) == ((2, 3, 7, 9),)
    assert layer.shape_arithmetic(((2, 3, 4, 5),) * 2) == "(4-1)*2-2*1+3 = 7, (5-1)*2-2*1+3 = 9"
    assert layer.classes(((2, 3, 4, 5),) * 2) == {1: (63, None)}


@pytest.mark.parametrize(
    ("fields", "shapes", "field", "words"),
    [
        ({"output_size": 4}, ((2, 3), (2, 3)), "bottom.0", "N x C x P x Q"),
        ({"output_size": 4}, ((2, 3, 4, 5), (2, 3, 4)), "bottom.1", "a place for each value"),
        ({"output_size": [4, 5]}, ((2, 3, 4), (2, 3, 4)), "output_size", "for 2 axes, but .* 1 spatial axis"),
        ({"kernel_size": [1, 2]}, ((2, 3, 4), (2, 3, 4)), "kernel_size", "for 2 axes, but .* 1 spatial axis"),
        ({"kernel_size": 1, "pad": 2}, ((2, 3, 4, 5),) * 2, "pad", "leaves nothing"),
        ({"bottom": ["a", "b", "c"]}, ((2, 3, 4, 5), (2, 3, 4, 5), (2, 4, 8, 9)), "bottom.2", "the channels of"),
    ],
)
def test_refused_shapes(fields: dict[str, Any], shapes: Any, field: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words) as caught:
        make_layer("Unpooling", **fields).top_shapes(shapes)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "fields",
    [
        {"bottom": ["a", "b"]},
        {"bottom": ["a", "b", "c"], "output_size": 3},
        {"bottom": ["a", "b", "c"], "kernel_size": 3},
        {"output_size": 3, "kernel_size": 2},
        {"output_size": 0},
    ],
)
def test_refused_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_layer("Unpooling", **fields)
