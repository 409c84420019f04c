"""CutMix pixel by pixel, from each sample's own numbers."""

import math

import numpy as np
import pytest

from netspec.core import rng
from netspec.core.shape import ShapeError
from netspec.data.transforms.base import Draw
from netspec.data.transforms.base_soft import beta

SHAPES = ((2, 6, 9), ())


def box(index, height, width):
    one = np.array([index])
    m = float(beta(Draw(3, np.array([0]), one), "CutMix 0 share", 1.0)[0])
    row, column = (float(rng.uniform(3, f"CutMix 0 {name}", np.array([0]), one)[0]) for name in ("row", "column"))
    edges = []
    for u, size in ((row, height), (column, width)):
        centre, half = math.floor(u * size), math.floor(size * math.sqrt(1 - m)) / 2
        edges += [max(math.floor(centre - half), 0), min(math.floor(centre + half), size)]
    return edges


def test_pixel_by_pixel(bind_all):
    x = np.random.default_rng(2).integers(0, 256, (5, 2, 6, 9)).astype(np.uint8)
    label, index = np.array([0, 1, 2, 3, 1]), [8, 1, 5, 2, 3]
    y, soft = bind_all("CutMix", SHAPES, classes=4)(x, label, index=index)
    assert y.dtype == np.uint8
    for i, number in enumerate(index):
        top, bottom, left, right = box(number, 6, 9)
        other, own = i - 1 if i else 4, 0
        for row in range(6):
            for column in range(9):
                inside = top <= row < bottom and left <= column < right
                own += not inside
                np.testing.assert_array_equal(y[i, :, row, column], x[other if inside else i, :, row, column])
        wanted = np.zeros(4)
        wanted[label[i]] += own / 54
        wanted[label[other]] += 1 - own / 54
        np.testing.assert_allclose(soft[i], wanted, atol=1e-6)


def test_areas_are_even_but_for_what_is_cut_off(bind_all):
    n = 3000
    x = np.zeros((n, 1, 32, 40), np.uint8)
    x[1::2] = 1
    y, soft = bind_all("CutMix", ((1, 32, 40), ()), classes=2)(x, np.arange(n) % 2)
    taken = np.where(np.arange(n) % 2 == 0, y.mean(axis=(1, 2, 3)), 1 - y.mean(axis=(1, 2, 3)))
    np.testing.assert_allclose(soft[np.arange(n), 1 - np.arange(n) % 2], taken, atol=1e-6)
    assert 0.25 < taken.mean() < 0.4  # half, less what lies outside
    np.testing.assert_array_equal(bind_all("CutMix", ((1, 32, 40), ()), "TEST", classes=2)(x, np.arange(n) % 2)[0], x)


def test_only_images_have_rectangles(bind_all):
    with pytest.raises(ShapeError, match="takes images"):
        bind_all("CutMix", ((7,), ()), classes=2)
