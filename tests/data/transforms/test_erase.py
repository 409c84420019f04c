"""Erase: each rectangle from its own numbers, and what the shares come to."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core import rng
from netspec.core.shape import ShapeError
from netspec.data.transforms.base import TRANSFORMS
from netspec.data.transforms.base_geometric import ByteFillError

SHAPE = (3, 6, 8)


def rectangle(index, height, width, scale, ratio):
    """Top, left, height and width, from one sample's numbers."""
    u = {
        name: float(rng.uniform(3, f"Erase 0 {name}", np.array([0]), np.array([index]))[0])
        for name in ("scale", "ratio", "top", "left")
    }
    area = (scale[0] + (scale[1] - scale[0]) * u["scale"]) * height * width
    by = math.exp(math.log(ratio[0]) + (math.log(ratio[1]) - math.log(ratio[0])) * u["ratio"])
    h = min(max(round(math.sqrt(area * by)), 1), height)
    w = min(max(round(math.sqrt(area / by)), 1), width)
    return math.floor(u["top"] * (height - h + 1)), math.floor(u["left"] * (width - w + 1)), h, w


def test_pixel_by_pixel(bind, photos):
    index = [3, 4, 5, 6, 7]
    y = bind("Erase", SHAPE, probability=1, scale=(0.1, 0.9), ratio=(0.2, 5.0), value=(1, 2, 3))(photos, index)
    sizes = set()
    for n, i in enumerate(index):
        top, left, h, w = rectangle(i, 6, 8, (0.1, 0.9), (0.2, 5.0))
        sizes.add((h, w))
        for row in range(6):
            for column in range(8):
                inside = top <= row < top + h and left <= column < left + w
                wanted = [1, 2, 3] if inside else photos[n, :, row, column].tolist()
                assert y[n, :, row, column].tolist() == wanted
    assert len(sizes) > 3


def test_how_often_and_how_much(bind):
    x = np.full((600, 1, 40, 50), 9, np.uint8)
    y = bind("Erase", (1, 40, 50))(x)
    hit = (y == 0).any(axis=(1, 2, 3))
    assert 0.44 < hit.mean() < 0.56
    shares = (y[hit] == 0).mean(axis=(1, 2, 3))
    assert shares.min() > 0.015 and shares.max() < 0.34 and shares.mean() == pytest.approx(0.175, abs=0.02)
    places = (y == 0).any(axis=(0, 1))
    assert places.mean() > 0.98 and places[[0, -1]].any() and places[:, [0, -1]].any()  # it reaches every border
    np.testing.assert_array_equal(bind("Erase", (1, 40, 50), phase="TEST")(x), x)


def test_values_and_shapes_that_do_not_fit(bind):
    with pytest.raises(ShapeError, match="2 values do not fit images of 3 channels"):
        TRANSFORMS.parse({"type": "Erase", "value": (1, 2)}).output_shape(SHAPE)
    with pytest.raises(ValidationError):
        TRANSFORMS.parse({"type": "Erase", "scale": (0.5, 0.1)})


@pytest.mark.parametrize(("kind", "value", "wanted"), [(np.uint8, 2.6, 3), (np.float32, -1.5, -1.5)])
def test_values_in_the_type_of_the_images(bind, kind, value, wanted):
    y = bind("Erase", SHAPE, probability=1, scale=1.0, ratio=1.0, value=value)(np.full((1, *SHAPE), 9, kind))
    assert y.dtype == kind and (y == wanted).any() and set(np.unique(y)) <= {9, wanted}


@pytest.mark.parametrize(("kind", "value"), [(np.uint8, 300), (np.uint8, -1), (np.uint8, 255.6), (np.int16, 40_000)])
def test_values_that_the_images_cannot_hold(bind, kind, value):
    with pytest.raises(ByteFillError, match=rf"`value` is {round(value)}, but images are whole numbers"):
        bind("Erase", SHAPE, probability=1, value=value)(np.full((1, *SHAPE), 9, kind))
