import numpy as np
import pytest
from pydantic import ValidationError

from netspec.data.transforms.perspective import Perspective
from tests.helpers.geometry import drawn, pictures, warped


def test_drawn_into_a_four_sided_figure(bind):
    x = pictures(5)
    y = bind("Perspective", (2, 7, 9), most=0.6, fill=0.5)(x)
    old = [(0, 0), (9, 0), (9, 7), (0, 7)]
    for sample, (before, after) in enumerate(zip(x, y, strict=True)):
        equations, values = [], []
        for number, (u, v) in enumerate(old):
            dx, dy = (0.3 * drawn("Perspective 0", f"corner {number} {axis}", sample) for axis in "xy")
            new = (abs(u - 9 * dx), abs(v - 7 * dy))  # inwards
            # the map from new points to old ones: eight unknowns, two equations a corner
            equations += [
                [*new, 1, 0, 0, 0, -u * new[0], -u * new[1]],
                [0, 0, 0, *new, 1, -v * new[0], -v * new[1]],
            ]
            values += [u, v]
        m = np.append(np.linalg.solve(equations, values), 1).reshape(3, 3)

        def seen(u, v, m=m):
            a, b, z = m @ (u, v, 1)
            return a / z, b / z

        np.testing.assert_allclose(after, warped(before, (7, 9), seen, 0.5), rtol=1e-3, atol=1e-3)


def test_nothing_in_test_phase_and_without_a_move(bind):
    x = pictures(2)
    np.testing.assert_array_equal(bind("Perspective", (2, 7, 9), "TEST")(x), x)
    np.testing.assert_allclose(bind("Perspective", (2, 7, 9), most=0.0)(x), x, atol=1e-5)


def test_fields_that_make_no_sense():
    for most in (1.0, -0.1):
        with pytest.raises(ValidationError):
            Perspective(most=most)
