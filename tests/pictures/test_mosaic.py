"""Mosaics, and filters as pixels that are read back."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from netspec.pictures.mosaic import filter_grid, mosaic, png, zoom
from netspec.study.filters import Filters

RANDOM = np.random.default_rng(6)


def of(*shape: int, colour: bool = False) -> Filters:
    return Filters("net", "conv1", "Convolution", RANDOM.standard_normal(shape), colour)


def test_tiles_stand_in_rows_with_gaps_between_them() -> None:
    tiles = np.arange(5 * 2 * 3, dtype=float).reshape(5, 2, 3)
    whole = mosaic(tiles, 4, gap=1, ground=-1.0)
    assert whole.shape == (2 + 1 + 2, 4 * 3 + 3)
    np.testing.assert_array_equal(whole[:2, 4:7], tiles[1])
    np.testing.assert_array_equal(whole[3:, :3], tiles[4])
    assert (whole[2] == -1).all() and (whole[:, 3] == -1).all() and (whole[3:, 4:] == -1).all()


@pytest.mark.parametrize("colour", [False, True])
def test_pixels_of_a_png_are_the_weights(colour: bool) -> None:
    found = of(4, 3 if colour else 1, 5, 2, colour=colour)
    picture, said = filter_grid(found)
    pixels = np.asarray(Image.open(io.BytesIO(png(picture, 7)))).astype(float) / 255
    pixels = pixels[3::7, 3::7]  # the middle of every square
    assert pixels.shape == picture.shape
    limit = np.abs(found.weights).max()
    columns = (picture.shape[1] + 1) // 3
    for k in range(4):
        top, left = k // columns * 6, k % columns * 3
        tile = (pixels[top : top + 5, left : left + 2] - 0.5) * 2 * limit
        own = np.moveaxis(found.weights[k], 0, -1) if colour else found.weights[k, 0]
        np.testing.assert_allclose(tile, own, atol=limit / 254)
    assert f"white is {limit:.3g}, grey 0, black -{limit:.3g}" in said and "4 filters" in said
    assert ("in colour" in said) == colour


def test_a_scale_for_each_filter() -> None:
    found = of(2, 1, 3, 4)
    found.weights[1] *= 0.01
    faint, (strong, said) = filter_grid(found)[0], filter_grid(found, each=True)
    assert np.abs(strong[:, 5:] - 0.5).max() == 0.5 > 10 * np.abs(faint[:, 5:] - 0.5).max()
    assert "the largest weight of each filter" in said


def test_filters_of_many_channels_are_rows_and_what_is_left_out_is_said() -> None:
    picture, said = filter_grid(of(3, 5, 2, 2))
    assert picture.shape == (3 * 3 - 1, 5 * 3 - 1) and "3 filters of 5x2x2: a filter a row, their 5 channels" in said
    assert "the first 32 of 40 filters" in filter_grid(of(40, 33, 1, 2))[1]
    assert "the first 32 of their 33 channels" in filter_grid(of(40, 33, 1, 2))[1]
    assert "the first 256 of 300 filters" in filter_grid(of(300, 1, 1, 2))[1]
    assert "a matrix of 6x5 weights" in filter_grid(of(1, 1, 6, 5))[1]


def test_weights_of_zero_are_grey() -> None:
    found = Filters("net", "conv1", "Convolution", np.zeros((2, 1, 3, 3)), False)
    picture, _ = filter_grid(found)
    assert set(np.unique(picture)) == {0.5, 1.0}  # the filters, and what lies between them


def test_pictures_are_enlarged_by_whole_numbers() -> None:
    assert zoom(np.zeros((10, 40)), 900) == 22 and zoom(np.zeros((2000, 10)), 900) == 1
