import numpy as np
import pytest
from pydantic import ValidationError

from netspec.shape import ShapeError
from netspec.transforms.crop import Crop


def test_the_middle_in_test_phase(bind):
    # Caffe's own case: 3x4 crop 1 has its centre at row floor(3/2) = 1, column floor(3/2) = 1, which is value 5 (and 17 in channel 1)
    x = np.arange(2 * 3 * 4).reshape(1, 2, 3, 4)
    np.testing.assert_array_equal(bind("Crop", (2, 3, 4), "TEST", size=1)(x).ravel(), [5, 17])
    np.testing.assert_array_equal(bind("Crop", (2, 3, 4), "TEST", size=(2, 1))(x)[0, 0], [[1], [5]])
    np.testing.assert_array_equal(bind("Crop", (2, 3, 4), "TEST", size=(3, 4))(x), x)


def test_windows_lie_anywhere_and_equally_often_in_train_phase(bind):
    x = np.broadcast_to(np.arange(5 * 6).reshape(5, 6), (6000, 2, 5, 6))
    y = bind("Crop", (2, 5, 6), size=(3, 5))(x)
    corner = y[:, 0, 0, 0]
    window = np.arange(3)[:, None] * 6 + np.arange(5)
    np.testing.assert_array_equal(y, np.broadcast_to((corner[:, None, None] + window)[:, None], y.shape))
    corners, counts = np.unique(corner, return_counts=True)
    assert corners.tolist() == [0, 1, 6, 7, 12, 13]  # 3 tops times 2 lefts
    assert abs(counts - 1000).max() < 150


def test_a_sample_is_cropped_the_same_in_any_batch(bind, images):
    crop = bind("Crop", (2, 5, 6), size=(2, 3))
    together = crop(images, epoch=4)
    for i in range(len(images)):
        np.testing.assert_array_equal(crop(images[i : i + 1], [i], epoch=4)[0], together[i])
    assert (crop(images, epoch=5) != together).any()


def test_a_window_of_the_whole_image_changes_nothing(bind, images):
    np.testing.assert_array_equal(bind("Crop", (2, 5, 6), size=(5, 6))(images), images)


def test_windows_that_do_not_fit():
    assert Crop(size=(2, 3)).output_shape((4, 5, 6)) == (4, 2, 3)
    for size, shape in (((6,), (1, 5, 7)), ((3, 8), (1, 5, 7))):
        with pytest.raises(ShapeError, match="does not fit into images of 5x7") as caught:
            Crop(size=size).output_shape(shape)
        assert caught.value.field == "size"
    with pytest.raises(ShapeError, match="takes images"):
        Crop(size=1).output_shape((4,))


@pytest.mark.parametrize("size", [0, (1, 2, 3), ()])
def test_sizes_that_make_no_sense(size):
    with pytest.raises(ValidationError):
        Crop(size=size)
