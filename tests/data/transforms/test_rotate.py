import math

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.data.transforms.rotate import Rotate
from tests.helpers.geometry import drawn, pictures, warped


@pytest.mark.parametrize(("degrees", "low", "high"), [(70.0, -70, 70), ((-20.0, 170.0), -20, 170)])
def test_turned_about_the_centre(bind, degrees, low, high):
    x = pictures(5)
    y = bind("Rotate", (2, 7, 9), degrees=degrees, fill=0.5)(x)
    for sample, (before, after) in enumerate(zip(x, y, strict=True)):
        angle = math.radians(low + (high - low) * drawn("Rotate 0", "angle", sample))

        def seen(u, v, angle=angle):
            # a point at (1, 0) goes to (cos, -sin), as v grows downwards: so the point comes from there turned back
            u, v = u - 4.5, v - 3.5
            return 4.5 + u * math.cos(angle) - v * math.sin(angle), 3.5 + u * math.sin(angle) + v * math.cos(angle)

        np.testing.assert_allclose(after, warped(before, (7, 9), seen, 0.5), rtol=1e-4, atol=1e-4)


def test_a_quarter_turn_is_numpys(bind):
    x = pictures(1, (2, 6, 6))
    y = bind("Rotate", (2, 6, 6), degrees=(90.0, 90.0))(x)
    np.testing.assert_allclose(y[0], np.rot90(x[0], axes=(1, 2)), atol=1e-5)  # counter-clockwise too


def test_nothing_in_test_phase(bind, images):
    np.testing.assert_array_equal(bind("Rotate", (2, 5, 6), "TEST", degrees=90.0)(images), images)


def test_fields_that_make_no_sense():
    for degrees in (400.0, (), (1.0, 2.0, 3.0), (5.0, -5.0)):
        with pytest.raises(ValidationError):
            Rotate(degrees=degrees)
