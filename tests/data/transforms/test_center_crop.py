import numpy as np
import pytest

from netspec.core.shape import ANY, ShapeError
from netspec.data.transforms.center_crop import CenterCrop


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_the_window_in_the_middle_in_every_phase(bind, images, phase):
    np.testing.assert_array_equal(bind("CenterCrop", (2, 5, 6), phase, size=(2, 3))(images), images[:, :, 1:3, 1:4])
    np.testing.assert_array_equal(bind("CenterCrop", (2, 5, 6), phase, size=4)(images), images[:, :, 0:4, 1:5])


def test_windows_that_do_not_fit():
    assert CenterCrop(size=(4, 9)).output_shape((3, ANY, 9)) == (3, 4, 9)
    for shape in ((3, 4, 8), (3, 3, 9), (3, ANY, 8)):
        with pytest.raises(ShapeError, match="a window of 4x9 does not fit into images") as caught:
            CenterCrop(size=(4, 9)).output_shape(shape)
        assert caught.value.field == "size"
