"""PixelShuffle against its definition and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.receptive import POINT
from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer
from tests.helpers.oracle import against


def widened(x: Array, r: int) -> Array:
    n, c, h, w = x.shape
    y = np.zeros((n, c // r**2, h * r, w * r))
    for k, i, j in np.ndindex(c // r**2, r, r):
        y[:, k, i::r, j::r] = x[:, k * r**2 + i * r + j]
    return y


@pytest.mark.parametrize(
    ("shape", "r"), [((2, 12, 3, 5), 2), ((2, 9, 4, 3), 3), ((3, 4, 2, 17), 1), ((1, 36, 3, 9), 2)]
)
def test_definition(shape: tuple[int, ...], r: int) -> None:
    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.pixel_shuffle(bottoms[0], r)]

    layer = make_layer("PixelShuffle", upscale_factor=r)
    against(lambda bottoms, _: [widened(bottoms[0], r)], layer, [blob(*shape)], in_torch=in_torch)


def test_shapes_and_fields() -> None:
    layer = make_layer("PixelShuffle", upscale_factor=2)
    assert layer.top_shapes(((2, 12, 5, 4),)) == ((2, 3, 10, 8),)
    assert layer.shape_arithmetic(((2, 12, 5, 4),)) == "12/2^2 = 3, 5*2 = 10, 4*2 = 8"
    region = layer.receptive_field(((2, 12, 5, 4),), [POINT.through([(3, 2, 1, 1)] * 2)]).over((2, 3, 10, 8))
    assert (region.size, region.stride) == ((3, 3), (1, 1))


@pytest.mark.parametrize(
    ("shape", "field", "words"),
    [
        ((2, 12, 5), "bottom.0", "N x C x H x W"),
        ((2, 10, 5, 4), "upscale_factor", "10 channels .* multiple of 2.2 = 4"),
    ],
)
def test_refused_shapes(shape: tuple[int, ...], field: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words) as caught:
        make_layer("PixelShuffle", upscale_factor=2).top_shapes((shape,))
    assert caught.value.field == field


def test_refused_fields() -> None:
    for fields in ({}, {"upscale_factor": 0}):
        with pytest.raises(ValidationError):
            make_layer("PixelShuffle", **fields)
