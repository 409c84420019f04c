import math

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core import rng
from netspec.data.transforms.elastic import Elastic
from tests.helpers.geometry import pictures, read


def mirrored(i, size):
    """A place beyond the border, mirrored at it: -1 is 0, size is size - 1."""
    i %= 2 * size
    return i if i < size else 2 * size - 1 - i


def field(axis, sample, height, width, sigma):
    """The smoothed field, pixel by pixel."""
    count = height * width
    counters = (np.zeros(count, np.int64), np.full(count, sample), np.arange(count))
    noise = 2 * rng.uniform(3, f"Elastic 0 {axis}", *counters).reshape(height, width) - 1
    taps = range(-math.ceil(3 * sigma), math.ceil(3 * sigma) + 1)
    bell = {tap: math.exp(-(tap**2) / (2 * sigma**2)) for tap in taps}
    whole = sum(bell.values()) ** 2
    smooth = np.zeros((height, width))
    for r in range(height):
        for q in range(width):
            for i in taps:
                for j in taps:
                    value = noise[mirrored(r + i, height), mirrored(q + j, width)]
                    smooth[r, q] += bell[i] * bell[j] / whole * value
    return smooth


def test_every_pixel_moves_by_a_smooth_field(bind):
    x = pictures(3, (2, 7, 9))
    y = bind("Elastic", (2, 7, 9), alpha=4.0, sigma=1.2, fill=0.5)(x)
    for sample in range(3):
        across, down = (4.0 * field(axis, sample, 7, 9, 1.2) for axis in ("across", "down"))
        compared = 0
        for r in range(1, 6):
            for q in range(1, 8):
                slopes = [(f[r, q + 1] - f[r, q - 1]) / 2 for f in (across, down)]
                slopes += [(f[r + 1, q] - f[r - 1, q]) / 2 for f in (across, down)]
                wide, high = math.hypot(1 + slopes[0], slopes[1]), math.hypot(slopes[2], 1 + slopes[3])
                if max(wide, high) < 1.25:
                    slow = read(x[sample], q + 0.5 + across[r, q], r + 0.5 + down[r, q], 0.5)
                    np.testing.assert_allclose(y[sample, :, r, q], slow, rtol=1e-4, atol=1e-4)
                    compared += 1
        assert compared > 10


def test_nothing_in_test_phase_and_without_a_pull(bind):
    x = pictures(2)
    np.testing.assert_array_equal(bind("Elastic", (2, 7, 9), "TEST", alpha=30.0, sigma=3.0)(x), x)
    np.testing.assert_array_equal(bind("Elastic", (2, 7, 9), alpha=0.0, sigma=3.0)(x), x)


def test_fields_that_make_no_sense():
    for fields in ({"alpha": -1.0, "sigma": 1.0}, {"alpha": 1.0, "sigma": 0.0}, {"alpha": 1.0}):
        with pytest.raises(ValidationError):
            Elastic(**fields)
