"""Blur against the sum over a window, pixel by pixel."""

import math

import numpy as np
import pytest

from netspec.core import rng


def mirrored(i, size):
    """The place inside 0..size-1 of i, mirrored at the outermost pixels as often as it takes."""
    period = 2 * (size - 1)
    i = abs(i) % period
    return min(i, period - i)


def slow(plane, sigma):
    reach = math.ceil(3 * sigma)
    weight = {k: math.exp(-(k**2) / (2 * sigma**2)) for k in range(-reach, reach + 1)}
    total = sum(weight.values())
    height, width = plane.shape
    result = np.zeros(plane.shape)
    for i in range(height):
        for j in range(width):
            for a in weight:
                for b in weight:
                    value = float(plane[mirrored(i + a, height), mirrored(j + b, width)])
                    result[i, j] += weight[a] * weight[b] / total**2 * value
    return result


@pytest.mark.parametrize(("kind", "near"), [(np.uint8, 0.501), (np.float32, 2e-4)])
def test_against_the_sum_over_a_window(bind, photos, kind, near):
    index = np.array([4, 9])
    x = photos[:2].astype(kind)
    y = bind("Blur", (3, 6, 8), sigma=(0.3, 2.0))(x, index)
    assert y.dtype == kind
    sigma = 0.3 + 1.7 * rng.uniform(3, "Blur 0 sigma", np.zeros_like(index), index)
    for n in range(2):
        for c in range(3):
            np.testing.assert_allclose(y[n, c], slow(x[n, c], sigma[n]), rtol=0, atol=near)


def test_a_constant_stays_and_so_does_the_sample_in_test(bind, photos):
    x = np.full((1, 3, 6, 8), 77, np.uint8)
    np.testing.assert_array_equal(bind("Blur", (3, 6, 8), sigma=1.5)(x), x)
    np.testing.assert_array_equal(bind("Blur", (3, 6, 8), phase="TEST", sigma=1.5)(photos), photos)


def test_a_sample_is_blurred_alike_in_every_batch(bind, photos):
    blur = bind("Blur", (3, 6, 8), sigma=(0.5, 3.0), probability=0.7)
    whole = blur(photos, [3, 4, 5, 6, 7])
    np.testing.assert_array_equal(blur(photos[2:4], [5, 6]), whole[2:4])
