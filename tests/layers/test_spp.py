"""SPP against pooling by loops, level by level, and Caffe's cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers import naive
from tests.helpers.checks import Array, blob, distinct, forward, make_layer
from tests.helpers.oracle import against

WINDOWS = {
    9: [(9, 0), (5, 1), (3, 2)],
    7: [(7, 0), (4, 1), (2, 1)],
    765: [(765, 0), (383, 1), (192, 2), (96, 2), (48, 2)],
}
"""For each length (kernel, pad) of the levels, as Caffe computes them."""


def spp(**fields: Any) -> Any:
    return make_layer("SPP", **fields)


def by_levels(x: Array, how: str, height: int) -> Array:
    """The pooled levels, flattened and joined."""
    levels = []
    for bins in (2**level for level in range(height)):
        kernel = tuple(int(np.ceil(size / bins)) for size in x.shape[2:])
        pad = tuple((k * bins - size + 1) // 2 for k, size in zip(kernel, x.shape[2:], strict=True))
        levels.append(naive.pooling_anywhere(x, kernel, kernel, pad, how)[0].reshape(len(x), -1))
    return np.concatenate(levels, axis=1)


@pytest.mark.parametrize("how", ["MAX", "AVE"])
@pytest.mark.parametrize(("shape", "height"), [((2, 3, 7, 9), 3), ((3, 2, 4, 5), 2)])
def test_definition(how: str, shape: tuple[int, ...], height: int) -> None:
    layer = spp(pool=how, pyramid_height=height)
    against(lambda bottoms, _: [by_levels(bottoms[0], how, height)], layer, [distinct(*shape)])


def test_one_level_keeps_its_axes() -> None:
    x = blob(2, 3, 6, 5)
    layer = spp(pyramid_height=1)
    against(lambda bottoms, _: [bottoms[0].max((2, 3), keepdims=True)], layer, [x])


def test_caffe_shapes() -> None:
    assert spp(pyramid_height=3).top_shapes(((2, 3, 9, 8),)) == ((2, 63),)
    assert spp(pyramid_height=5).top_shapes(((4, 3, 1024, 765),)) == ((4, 1023),)
    assert spp(pyramid_height=3).top_shapes(((10, 3, 7, 7),)) == ((10, 63),)
    assert spp(pyramid_height=3).shape_arithmetic(((2, 3, 9, 8),)) == "3*(1+4+16) = 63"
    for size, levels in WINDOWS.items():
        found = [spp(pyramid_height=5)._window(size, level) for level in range(len(levels))]
        assert [(w.kernel, w.pad) for w in found] == levels
        assert all(w.stride == w.kernel for w in found)


def test_the_top_is_as_long_for_images_of_any_size() -> None:
    layer = spp(pyramid_height=2)
    for h, w in ((2, 3), (5, 4), (8, 11)):
        x = distinct(1, 2, h, w)
        np.testing.assert_array_equal(forward(layer, x)[0], by_levels(x, "MAX", 2))


@pytest.mark.parametrize(
    ("shape", "field", "words"),
    [((2, 3, 7), "bottom.0", "N x C x H x W"), ((2, 3, 5, 9), "pyramid_height", "4 windows along the 5 values")],
)
def test_refused_shapes(shape: tuple[int, ...], field: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words) as caught:
        spp(pyramid_height=3).top_shapes((shape,))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "fields", [{}, {"pyramid_height": 0}, {"pyramid_height": 17}, {"pyramid_height": 2, "pool": "STOCHASTIC"}]
)
def test_refused_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        spp(**fields)
