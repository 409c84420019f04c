import numpy as np
import pytest
from pydantic import ValidationError

from netspec.data.transforms.zoom import Zoom
from tests.helpers.geometry import drawn, pictures, resized


def test_larger_and_smaller_about_the_centre(bind):
    x = pictures(8)
    y = bind("Zoom", (2, 7, 9), factor=(0.4, 2.0), fill=0.25)(x)
    factors = [0.4 + 1.6 * drawn("Zoom 0", "factor", sample) for sample in range(8)]
    assert min(factors) < 0.8 and max(factors) > 1.2
    for before, after, factor in zip(x, y, factors, strict=True):
        height, width = 7 / factor, 9 / factor
        slow = resized(before, (7, 9), ((7 - height) / 2, (9 - width) / 2, height, width), 0.25)
        np.testing.assert_allclose(after, slow, rtol=1e-4, atol=1e-5)


def test_nothing_in_test_phase(bind, images):
    np.testing.assert_array_equal(bind("Zoom", (2, 5, 6), "TEST", factor=(0.5, 2.0))(images), images)


def test_fields_that_make_no_sense():
    for factor in ((2.0, 1.0), (0.0, 1.0), 2.0):
        with pytest.raises(ValidationError):
            Zoom(factor=factor)
