import numpy as np
import pytest
from pydantic import ValidationError

from netspec.data.transforms.lens_distortion import LensDistortion
from tests.helpers.geometry import drawn, pictures, read


@pytest.mark.parametrize(("k", "low", "high"), [(0.3, -0.3, 0.3), ((0.1, 0.5), 0.1, 0.5)])
def test_farther_out_than_it_is_by_the_square_of_the_radius(bind, k, low, high):
    x = pictures(4)
    y = bind("LensDistortion", (2, 7, 9), k=k, fill=0.5)(x)
    for sample, (before, after) in enumerate(zip(x, y, strict=True)):
        drawn_k = low + (high - low) * drawn("LensDistortion 0", "k", sample)
        compared = 0
        for r in range(7):
            for q in range(9):
                u, v = q + 0.5 - 4.5, r + 0.5 - 3.5
                square = (u * u + v * v) / (4.5**2 + 3.5**2)  # 1 at a corner
                if drawn_k * 3 * square < 0.2:  # a single cell, as nothing shrinks by more than a quarter
                    factor = 1 + drawn_k * square
                    slow = read(before, 4.5 + u * factor, 3.5 + v * factor, 0.5)
                    np.testing.assert_allclose(after[:, r, q], slow, rtol=1e-4, atol=1e-4)
                    compared += 1
        assert compared > 10


def test_a_barrel_shows_the_fill_at_its_corners_and_a_pincushion_does_not(bind):
    x = np.ones((1, 1, 40, 60), np.float32)
    barrel = bind("LensDistortion", (1, 40, 60), k=(0.4, 0.4))(x)[0, 0]
    assert barrel[0, 0] == barrel[-1, -1] == 0 and barrel[20, 30] == 1
    assert (bind("LensDistortion", (1, 40, 60), k=(-0.3, -0.3))(x) == 1).all()


def test_nothing_in_test_phase(bind, images):
    np.testing.assert_array_equal(bind("LensDistortion", (2, 5, 6), "TEST", k=0.3)(images), images)


def test_fields_that_make_no_sense():
    for k in (-0.4, 1.5, (), (0.3, 0.1)):
        with pytest.raises(ValidationError):
            LensDistortion(k=k)
