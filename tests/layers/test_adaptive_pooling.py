"""AdaptivePooling against loops over its windows and PyTorch."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.receptive import POINT
from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, distinct, make_layer
from tests.helpers.oracle import against

CASES: list[tuple[tuple[int, ...], Any]] = [
    ((2, 3, 7, 8), [3, 2]),
    ((2, 3, 7, 8), 1),
    ((2, 17, 4, 3), [5, 4]),
    ((2, 3, 10), 4),
    ((2, 3, 5, 4, 7), [2, 3, 4]),
]


@pytest.mark.parametrize("how", ["AVE", "MAX"])
@pytest.mark.parametrize(("shape", "size"), CASES, ids=str)
def test_definition(how: str, shape: tuple[int, ...], size: Any) -> None:
    sizes = size if isinstance(size, list) else [size] * (len(shape) - 2)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        (x,) = bottoms
        y, places = np.zeros((*shape[:2], *sizes)), np.zeros((*shape[:2], *sizes))
        for n, c, *own in np.ndindex(*y.shape):
            ranges = [
                range(math.floor(i * m / p), math.ceil((i + 1) * m / p))
                for i, m, p in zip(own, shape[2:], sizes, strict=True)
            ]
            pixels = list(product(*ranges))
            values = [float(x[(n, c, *pixel)]) for pixel in pixels]
            index = (n, c, *own)
            y[index] = max(values) if how == "MAX" else sum(values) / len(values)
            places[index] = np.ravel_multi_index(pixels[values.index(max(values))], shape[2:])
        return [y, places] if how == "MAX" else [y]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        kind = "max" if how == "MAX" else "avg"
        return [getattr(torch.nn.functional, f"adaptive_{kind}_pool{len(shape) - 2}d")(bottoms[0], sizes)]

    tops = ["y", "places"] if how == "MAX" else ["y"]
    layer = make_layer("AdaptivePooling", pool=how, output_size=size, top=tops)
    against(oracle, layer, [distinct(*shape)], in_torch=in_torch)


def test_fields_of_view() -> None:
    def seen(size: Any) -> Any:
        layer = make_layer("AdaptivePooling", output_size=size)
        return layer.receptive_field(((2, 3, 8, 6),), [POINT]).over((2, 3, 4, 3))

    assert seen([4, 2]).size == (2, 3)
    assert seen([3, 2]).size == (math.inf, 3)
    assert seen([8, 12]).size == (1, math.inf)


@pytest.mark.parametrize(
    ("shape", "field", "words"),
    [((2, 3), "bottom.0", "N x C x H x W"), ((2, 3, 4), "output_size", "for 2 axes, but .* 1 spatial axis")],
)
def test_refused_shapes(shape: tuple[int, ...], field: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words) as caught:
        make_layer("AdaptivePooling", output_size=[2, 3]).top_shapes((shape,))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"output_size": 0},
        {"output_size": []},
        {"output_size": 2, "pool": "L2"},
        {"output_size": 2, "top": ["y", "places"]},
    ],
)
def test_refused_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_layer("AdaptivePooling", **fields)
