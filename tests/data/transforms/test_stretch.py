import numpy as np
import pytest
from pydantic import ValidationError

from netspec.data.transforms.stretch import Stretch
from tests.helpers.geometry import drawn, pictures, resized


def test_wider_and_lower_with_equal_area(bind):
    x = pictures(6)
    y = bind("Stretch", (2, 7, 9), most=1.8, fill=0.5)(x)
    for sample, (before, after) in enumerate(zip(x, y, strict=True)):
        ratio = 1.8 ** (2 * drawn("Stretch 0", "ratio", sample) - 1)
        height, width = 7 * ratio**0.5, 9 / ratio**0.5
        slow = resized(before, (7, 9), ((7 - height) / 2, (9 - width) / 2, height, width), 0.5)
        np.testing.assert_allclose(after, slow, rtol=1e-4, atol=1e-5)


def test_nothing_in_test_phase_and_with_a_ratio_of_1(bind):
    x = pictures(2)
    np.testing.assert_array_equal(bind("Stretch", (2, 7, 9), "TEST", most=2.0)(x), x)
    np.testing.assert_array_equal(bind("Stretch", (2, 7, 9), most=1.0)(x), x)


def test_fields_that_make_no_sense():
    for most in (0.9, -1.0, 1000.0):
        with pytest.raises(ValidationError):
            Stretch(most=most)
