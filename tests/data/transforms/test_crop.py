import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.data.transforms.crop import Crop


def test_the_middle_in_test_phase(bind):
    # Caffe's own case: 3x4 crop 1 has its centre at row floor(3/2) = 1, column floor(3/2) = 1,
    # which is value 5 (and 17 in channel 1)
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


def test_zeros_around_the_image_in_train_phase(bind):
    # He et al. 2016, section 4.2, in small: 3x4 windows of 3x4 images with 2 zeros at each side,
    # written out with numpy's own padding
    x = np.broadcast_to(np.arange(1, 13).reshape(3, 4), (9000, 2, 3, 4))
    y = bind("Crop", (2, 3, 4), size=(3, 4), pad=2)(x)
    wide = np.pad(np.arange(1, 13).reshape(3, 4), 2)
    windows = [wide[top : top + 3, left : left + 4].ravel() for top in range(5) for left in range(5)]
    found, counts = np.unique(y[:, 0].reshape(9000, 12), axis=0, return_counts=True)
    np.testing.assert_array_equal(found, np.unique(windows, axis=0))
    assert len(found) == 25 and abs(counts - 360).max() < 90
    np.testing.assert_array_equal(y[:, 0], y[:, 1])  # all channels are shifted alike


def test_zeros_around_the_image_in_test_phase(bind, images):
    whole = bind("Crop", (2, 5, 6), "TEST", size=(5, 6), pad=4)
    np.testing.assert_array_equal(whole(images), images)  # the middle is the image itself
    within = bind("Crop", (2, 5, 6), "TEST", size=(4, 3), pad=2)
    np.testing.assert_array_equal(within(images), bind("Crop", (2, 5, 6), "TEST", size=(4, 3))(images))
    larger = bind("Crop", (2, 5, 6), "TEST", size=(8, 7), pad=2)(images)  # 9x10: top floor(1/2), left floor(3/2)
    np.testing.assert_array_equal(larger, np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2)))[:, :, 0:8, 1:8])


def test_padding_keeps_the_number_type_and_the_draws(bind, images):
    assert bind("Crop", (2, 5, 6), size=3, pad=1)(images).dtype == images.dtype
    crop = bind("Crop", (2, 5, 6), size=(5, 6), pad=2)
    together = crop(images, epoch=4)
    for i in range(len(images)):
        np.testing.assert_array_equal(crop(images[i : i + 1], [i], epoch=4)[0], together[i])
    assert (crop(images, epoch=5) != together).any()
    np.testing.assert_array_equal(crop(images[::-1], np.arange(7)[::-1], epoch=4)[::-1], together)


def test_windows_that_do_not_fit():
    assert Crop(size=(2, 3)).output_shape((4, 5, 6)) == (4, 2, 3)
    for size, shape in (((6,), (1, 5, 7)), ((3, 8), (1, 5, 7))):
        with pytest.raises(ShapeError, match="does not fit into images of 5x7") as caught:
            Crop(size=size).output_shape(shape)
        assert caught.value.field == "size"
    assert Crop(size=(9, 11), pad=2).output_shape((1, 5, 7)) == (1, 9, 11)
    for size in ((10, 11), (9, 12)):
        with pytest.raises(ShapeError, match="into images of 5x7 with 2 zeros at each side"):
            Crop(size=size, pad=2).output_shape((1, 5, 7))
    with pytest.raises(ShapeError, match="takes images"):
        Crop(size=1).output_shape((4,))


def test_images_with_their_channels_last_or_without_any_are_recognised():
    with pytest.raises(ShapeError) as caught:
        Crop(size=6).output_shape((8, 9, 3))
    assert caught.value.help == "channels come first: array.transpose(0, 3, 1, 2)"
    with pytest.raises(ShapeError) as caught:
        Crop(size=6).output_shape((8, 9))
    assert caught.value.help == "put the axis of channels in: array[:, None]"


@pytest.mark.parametrize("size", [0, (1, 2, 3), ()])
def test_sizes_that_make_no_sense(size):
    with pytest.raises(ValidationError):
        Crop(size=size)


@pytest.mark.parametrize(("size", "pad"), [(4, -1), (4, 1.5), (4, (1, 1)), (4, 4), ((6, 4), 4), (1, 1), (32, 10**12)])
def test_pads_that_make_no_sense(size, pad):
    with pytest.raises(ValidationError, match="pad"):
        Crop(size=size, pad=pad)
