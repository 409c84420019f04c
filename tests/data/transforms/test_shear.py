import math

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.data.transforms.shear import Shear
from tests.helpers.geometry import drawn, pictures, warped


@pytest.mark.parametrize("degrees", [40.0, (30.0, 50.0)])
def test_slanted_about_the_centre(bind, degrees):
    upright, level = degrees if isinstance(degrees, tuple) else (degrees, 0.0)
    x = pictures(5)
    y = bind("Shear", (2, 7, 9), degrees=degrees, fill=0.5)(x)
    for sample, (before, after) in enumerate(zip(x, y, strict=True)):
        a = math.tan(math.radians(upright * (2 * drawn("Shear 0", "upright", sample) - 1)))
        b = math.tan(math.radians(level * (2 * drawn("Shear 0", "level", sample) - 1)))

        def seen(u, v, a=a, b=b):
            return u + a * (v - 3.5), v + b * (u - 4.5)

        np.testing.assert_allclose(after, warped(before, (7, 9), seen, 0.5), rtol=1e-4, atol=1e-4)


def test_nothing_in_test_phase(bind, images):
    np.testing.assert_array_equal(bind("Shear", (2, 5, 6), "TEST", degrees=30.0)(images), images)


def test_fields_that_make_no_sense():
    for degrees in (90.0, -1.0, ()):
        with pytest.raises(ValidationError):
            Shear(degrees=degrees)
