"""Grayscale by hand, and beside Pillow."""

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from netspec.data.transforms.base import TRANSFORMS


def test_worked_by_hand(bind):
    x = np.array([[[[1.0]], [[2.0]], [[4.0]]]], np.float32)
    assert bind("Grayscale", (3, 1, 1))(x).item() == pytest.approx(0.299 + 1.174 + 0.456)


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_beside_pillow_in_both_phases(bind, photos, phase):
    y = bind("Grayscale", (3, 6, 8), phase=phase)(photos)
    assert y.dtype == np.uint8
    for image, result in zip(photos, y, strict=True):
        theirs = np.asarray(Image.fromarray(image.transpose(1, 2, 0)).convert("L"))
        assert abs(result[0].astype(int) - theirs).max() <= 1


def test_three_channels_of_some_in_train_only(bind, photos):
    many = np.repeat(photos[:1], 300, axis=0)
    y = bind("Grayscale", (3, 6, 8), channels=3, probability=0.3)(many)
    changed = (y != many).any(axis=(1, 2, 3))
    assert 60 < changed.sum() < 120
    grey = bind("Grayscale", (3, 6, 8))(photos[:1])
    np.testing.assert_array_equal(y[changed][0], np.repeat(grey[0], 3, axis=0))
    still = bind("Grayscale", (3, 6, 8), phase="TEST", channels=3, probability=0.3)(many)
    np.testing.assert_array_equal(still, many)


def test_grey_images_get_the_channels_that_are_wanted(bind, images):
    x = images[:, :1]
    np.testing.assert_array_equal(bind("Grayscale", (1, 5, 6))(x), x)
    np.testing.assert_array_equal(bind("Grayscale", (1, 5, 6), channels=3)(x), np.repeat(x, 3, axis=1))


def test_a_share_needs_three_channels():
    with pytest.raises(ValidationError, match="keep their colours"):
        TRANSFORMS.parse({"type": "Grayscale", "probability": 0.5})
