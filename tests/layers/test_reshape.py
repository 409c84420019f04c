"""Reshape: Caffe's cases, and the shapes that it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.layers.base import Layer
from tests.helpers.checks import Array, blob, make_layer
from tests.helpers.oracle import against, torch_of


def reshape(*shape: int, **fields: Any) -> Layer:
    return make_layer("Reshape", shape=shape, **fields)


X = (2, 3, 6, 5)


@pytest.mark.parametrize(
    ("layer", "shape", "words"),
    [
        (reshape(0, -1, 1, 1), (2, 90, 1, 1), "180/2 = 90"),
        (reshape(0, 3, 10, -1), (2, 3, 10, 3), "180/60 = 3"),
        (reshape(3, 10, -1, axis=1), (2, 3, 10, 3), "180/60 = 3"),
        (reshape(1, axis=0, num_axes=0), (1, *X), ""),
        (reshape(1, axis=2, num_axes=0), (2, 3, 1, 6, 5), ""),
        (reshape(1, axis=-1, num_axes=0), (*X, 1), ""),
        (reshape(-1, axis=1, num_axes=2), (2, 18, 5), "180/10 = 18"),
        (reshape(0, 0, -1, axis=1), X, "180/36 = 5"),
        (reshape(-1, axis=-2), X, "180/36 = 5"),
        (reshape(180), (180,), ""),
        (reshape(0, 0, axis=1, num_axes=2), X, ""),
    ],
)
def test_caffe_shapes(layer: Layer, shape: tuple[int, ...], words: str) -> None:
    x = blob(*X)
    assert layer.top_shapes((X,)) == (shape,)
    assert layer.shape_arithmetic((X,)) == words

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        return [np.array([bottoms[0][place] for place in np.ndindex(*x.shape)]).reshape(shape)]

    result = against(oracle, layer, [x], in_torch=torch_of("reshape", shape))
    np.testing.assert_array_equal(result.tops[0], result.bottoms[0].reshape(shape))
    assert layer.aliases("TRAIN") and layer.aliases("TEST")


def test_a_scalar() -> None:
    assert reshape().top_shapes(((1, 1),)) == ((),)
    assert reshape(1, -1).top_shapes(((),)) == ((1, 1),)


@pytest.mark.parametrize(
    ("layer", "field"),
    [
        (reshape(7, -1), "shape"),
        (reshape(2, 3, 6), "shape"),
        (reshape(0, 90, 1, 1, 0), "shape.4"),
        (reshape(0, axis=4, num_axes=0), "shape.0"),
        (reshape(-1, axis=5), "axis"),
        (reshape(-1, axis=-6), "axis"),
        (reshape(-1, axis=2, num_axes=3), "num_axes"),
    ],
)
def test_refused_shapes(layer: Layer, field: str) -> None:
    with pytest.raises(ShapeError) as caught:
        layer.top_shapes((X,))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "fields", [{}, {"shape": [-1, 2, -1]}, {"shape": [-2]}, {"shape": {"dim": [0, -1]}}, {"shape": [2], "num_axes": -2}]
)
def test_refused_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_layer("Reshape", **fields)
