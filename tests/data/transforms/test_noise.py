"""Noise: its distribution, its numbers one by one, and what stays."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core import rng
from netspec.data.transforms.base import TRANSFORMS
from netspec.data.transforms.base_pixels import WhiteError

SHAPE = (3, 6, 8)


def number(purpose, epoch, index, place):
    one = lambda value: np.array([value])  # noqa: E731
    return rng.uniform(3, f"Noise 0 {purpose}", one(epoch), one(index), one(place))[0]


def test_gaussian_value_by_value(bind, photos):
    x = (photos[:2] / 255).astype(np.float32)
    y = bind("Noise", SHAPE, gaussian=(0.05, 0.2))(x, [7, 3], epoch=2)
    for n, index in enumerate((7, 3)):
        deviation = 0.05 + 0.15 * rng.uniform(3, "Noise 0 gaussian", np.array([2]), np.array([index]))[0]
        for place, value in enumerate(x[n].reshape(-1).tolist()):
            u, v = (number(name, 2, index, place) for name in ("length", "angle"))
            z = math.sqrt(-2 * math.log(1 - u)) * math.cos(2 * math.pi * v)
            wanted = min(max(value + deviation * z, 0), 1)
            assert y[n].reshape(-1)[place] == pytest.approx(wanted, abs=1e-6)


def test_salt_and_pepper_pixel_by_pixel(bind, photos):
    y = bind("Noise", SHAPE, salt_pepper=0.4)(photos[:1], [9])
    for place in range(6 * 8):
        u = number("salt and pepper", 0, 9, place)
        i, j = divmod(place, 8)
        wanted = [0, 0, 0] if u < 0.2 else [255, 255, 255] if u < 0.4 else photos[0, :, i, j].tolist()
        assert y[0, :, i, j].tolist() == wanted


def test_the_distribution(bind):
    x = np.full((40, 3, 20, 30), 128, np.uint8)
    noise = bind("Noise", (3, 20, 30), gaussian=0.1)(x).astype(float) - 128
    assert abs(noise.mean()) < 0.4 and noise.std() == pytest.approx(25.5, rel=0.02)
    assert abs(np.corrcoef(noise[:, 0].ravel(), noise[:, 1].ravel())[0, 1]) < 0.02
    specks = bind("Noise", (3, 20, 30), salt_pepper=0.1)(x)
    assert (specks == 255).mean() == pytest.approx(0.05, abs=0.005)
    assert (specks == 0).mean() == pytest.approx(0.05, abs=0.005)


def test_other_epochs_have_other_noise_and_test_has_none(bind, photos):
    noise = bind("Noise", SHAPE, gaussian=0.1)
    assert (noise(photos, epoch=0) != noise(photos, epoch=1)).any()
    np.testing.assert_array_equal(noise(photos), noise(photos))
    np.testing.assert_array_equal(bind("Noise", SHAPE, phase="TEST", gaussian=0.1)(photos), photos)


def test_noise_that_changes_nothing_is_a_mistake():
    with pytest.raises(ValidationError, match="changes nothing"):
        TRANSFORMS.parse("Noise")


@pytest.mark.parametrize("fields", [{"gaussian": (0.1,)}, {"salt_pepper": 1.0}])
def test_a_white_that_no_byte_has(bind, fields):
    with pytest.raises(WhiteError, match="`white` is 300"):
        bind("Noise", (3, 4, 5), white=300, **fields)(np.zeros((2, 3, 4, 5), np.uint8))
