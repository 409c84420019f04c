"""ColorJitter against a loop over pixels with the standard library's HSV, and against Pillow."""

import colorsys

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from pydantic import ValidationError

from netspec.core import rng
from netspec.core.shape import ShapeError
from netspec.data.transforms.base import TRANSFORMS

SHAPE = (3, 6, 8)


def drawn(name, low, high, index, epoch=0):
    u = rng.uniform(3, f"ColorJitter 0 {name}", np.full_like(index, epoch), index)
    return low + (high - low) * u


def grey(pixel):
    return 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]


def slow(image, brightness, contrast, saturation, hue, white):
    """One image (3, H, W), pixel by pixel."""
    clip = lambda value: min(max(value, 0.0), white)  # noqa: E731
    _, height, width = image.shape
    places = [(i, j) for i in range(height) for j in range(width)]
    pixels = {at: [float(value) for value in image[:, at[0], at[1]]] for at in places}
    pixels = {at: [clip(value * brightness) for value in pixel] for at, pixel in pixels.items()}
    mean = sum(grey(pixel) for pixel in pixels.values()) / len(pixels)
    pixels = {at: [clip(mean + contrast * (value - mean)) for value in pixel] for at, pixel in pixels.items()}
    result = np.empty(image.shape)
    for at, pixel in pixels.items():
        g = grey(pixel)
        r, g, b = (clip(g + saturation * (value - g)) / white for value in pixel)
        h, s, v = colorsys.rgb_to_hsv(r, g, b)
        result[:, at[0], at[1]] = [clip(value * white) for value in colorsys.hsv_to_rgb((h + hue) % 1, s, v)]
    return result


FIELDS = {"brightness": 0.4, "contrast": (0.5, 1.8), "saturation": 0.9, "hue": 0.3}


@pytest.mark.parametrize(("kind", "white", "near"), [(np.uint8, 255.0, 0.51), (np.float32, 1.0, 2e-6)])
def test_against_a_loop_over_pixels(bind, photos, kind, white, near):
    x = photos if kind == np.uint8 else (photos / 255).astype(kind)
    index = np.array([5, 11, 2, 7, 30])
    y = bind("ColorJitter", SHAPE, **FIELDS)(x, index, epoch=4)
    assert y.dtype == kind
    bounds = {"brightness": (0.6, 1.4), "contrast": (0.5, 1.8), "saturation": (0.1, 1.9), "hue": (-0.3, 0.3)}
    named = [drawn(name, *each, index, 4) for name, each in bounds.items()]
    for image, result, *amounts in zip(x, y, *named, strict=True):
        np.testing.assert_allclose(result, slow(image, *amounts, white), rtol=0, atol=near)


@pytest.mark.parametrize(
    ("field", "enhance"),
    [("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast), ("saturation", ImageEnhance.Color)],
)
@pytest.mark.parametrize("factor", [0.3, 1.7])
def test_against_pillow(bind, photos, field, enhance, factor):
    y = bind("ColorJitter", SHAPE, **{field: (factor, factor)})(photos)
    for image, result in zip(photos, y, strict=True):
        theirs = np.asarray(enhance(Image.fromarray(image.transpose(1, 2, 0))).enhance(factor)).transpose(2, 0, 1)
        assert abs(result.astype(int) - theirs).max() <= 1  # Pillow rounds the grey first, and cuts off


def test_a_whole_turn_of_the_hue_by_thirds_exchanges_channels(bind, photos):
    x = (photos / 255).astype(np.float32)
    y = bind("ColorJitter", SHAPE, hue=(1 / 3, 1 / 3))(x)
    np.testing.assert_allclose(y, x[:, [2, 0, 1]], atol=1e-6)  # red becomes green


def test_grey_images_have_no_colour_to_change(bind, photos):
    x = photos[:, :1]
    y = bind("ColorJitter", (1, 6, 8), saturation=0.5, hue=0.2)(x)
    np.testing.assert_array_equal(y, x)
    assert (bind("ColorJitter", (1, 6, 8), brightness=(0.5, 0.5))(x) == np.rint(x * 0.5)).all()


def test_shares_of_images_and_phases(bind, photos):
    np.testing.assert_array_equal(bind("ColorJitter", SHAPE, phase="TEST", **FIELDS)(photos), photos)
    some = np.repeat(photos[:1], 400, axis=0)
    y = bind("ColorJitter", SHAPE, brightness=(0.2, 0.3), probability=0.25)(some)
    assert 70 < (y != some).any(axis=(1, 2, 3)).sum() < 130


def test_what_is_no_jitter(bind):
    for fields in ({}, {"hue": 0.6}, {"brightness": -0.1}, {"contrast": (2.0, 1.0)}):
        with pytest.raises(ValidationError):
            TRANSFORMS.parse({"type": "ColorJitter", **fields})
    with pytest.raises(ShapeError, match="have 4 channels"):
        TRANSFORMS.parse({"type": "ColorJitter", "hue": 0.1}).output_shape((4, 6, 8))
