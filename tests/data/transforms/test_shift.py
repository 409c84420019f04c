import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.data.transforms.shift import Shift
from tests.helpers.geometry import drawn


def test_whole_pixels_are_moved(bind):
    x = np.arange(40 * 2 * 6 * 10, dtype=np.float32).reshape(40, 2, 6, 10)
    y = bind("Shift", (2, 6, 10), most=(0.5, 0.2), fill=-7.0)(x)
    for sample in range(40):
        down = int(drawn("Shift 0", "down", sample) * 7) - 3  # up to half of 6
        across = int(drawn("Shift 0", "across", sample) * 5) - 2  # up to a fifth of 10
        wide = np.pad(x[sample], ((0, 0), (3, 3), (2, 2)), constant_values=-7)
        np.testing.assert_array_equal(y[sample], wide[:, 3 - down : 9 - down, 2 - across : 12 - across])


def test_nothing_in_test_phase_and_with_a_probability_of_0(bind, images):
    np.testing.assert_array_equal(bind("Shift", (2, 5, 6), "TEST", most=0.5)(images), images)
    np.testing.assert_array_equal(bind("Shift", (2, 5, 6), most=0.5, probability=0.0)(images), images)


def test_a_share_of_the_images(bind):
    x = np.random.default_rng(1).normal(size=(500, 1, 5, 6)).astype(np.float32)
    y = bind("Shift", (1, 5, 6), most=0.9, probability=0.3)(x)
    moved = np.array([(after != before).any() for before, after in zip(x, y, strict=True)])
    asked = np.array([drawn("Shift 0", "probability", sample) < 0.3 for sample in range(500)])
    assert not moved[~asked].any()
    assert 0.24 < moved.mean() <= asked.mean()


def test_fields_that_make_no_sense():
    for fields in ({"most": -0.1}, {"most": 1.0}, {"most": ()}, {"most": 0.1, "probability": 1.5}):
        with pytest.raises(ValidationError):
            Shift(**fields)
    with pytest.raises(ShapeError, match="2 values of `fill` do not fit 3 channels"):
        Shift(most=0.1, fill=(1.0, 2.0)).output_shape((3, 5, 6))
