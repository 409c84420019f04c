"""PixelUnshuffle against its definition, PixelShuffle and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.receptive import POINT
from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, forward, make_layer
from tests.helpers.oracle import against


def deepened(x: Array, r: int) -> Array:
    n, c, h, w = x.shape
    y = np.zeros((n, c * r**2, h // r, w // r))
    for k, i, j in np.ndindex(c, r, r):
        y[:, k * r**2 + i * r + j] = x[:, k, i::r, j::r]
    return y


@pytest.mark.parametrize(("shape", "r"), [((2, 3, 4, 10), 2), ((2, 1, 9, 6), 3), ((1, 9, 6, 4), 2)])
def test_definition(shape: tuple[int, ...], r: int) -> None:
    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.pixel_unshuffle(bottoms[0], r)]

    layer = make_layer("PixelUnshuffle", downscale_factor=r)
    against(lambda bottoms, _: [deepened(bottoms[0], r)], layer, [blob(*shape)], in_torch=in_torch)


def test_it_undoes_a_pixel_shuffle() -> None:
    x = blob(2, 12, 3, 5)
    wide = forward(make_layer("PixelShuffle", upscale_factor=2), x)[0]
    np.testing.assert_array_equal(forward(make_layer("PixelUnshuffle", downscale_factor=2), wide)[0], x)


def test_shapes_and_fields() -> None:
    layer = make_layer("PixelUnshuffle", downscale_factor=2)
    assert layer.top_shapes(((2, 3, 10, 8),)) == ((2, 12, 5, 4),)
    assert layer.shape_arithmetic(((2, 3, 10, 8),)) == "3*2^2 = 12, 10/2 = 5, 8/2 = 4"
    region = layer.receptive_field(((2, 3, 10, 8),), [POINT]).over((2, 12, 5, 4))
    assert (region.size, region.stride) == ((2, 2), (2, 2))


@pytest.mark.parametrize(
    ("shape", "field", "words"),
    [
        ((2, 3, 10), "bottom.0", "N x C x H x W"),
        ((2, 3, 9, 8), "downscale_factor", "the 9 rows"),
        ((2, 3, 10, 7), "downscale_factor", "the 7 columns"),
    ],
)
def test_refused_shapes(shape: tuple[int, ...], field: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words) as caught:
        make_layer("PixelUnshuffle", downscale_factor=2).top_shapes((shape,))
    assert caught.value.field == field


def test_refused_fields() -> None:
    with pytest.raises(ValidationError):
        make_layer("PixelUnshuffle", downscale_factor=0)
