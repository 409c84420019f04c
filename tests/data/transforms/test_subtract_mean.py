import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ANY, ShapeError
from netspec.data.transforms.subtract_mean import SubtractMean, UnfitMeanError


def test_one_value_and_one_of_each_channel(bind):
    x = np.array([[[[10, 20, 30]], [[1, 2, 3]]]], np.uint8)  # 1 image, 2 channels, 1x3
    np.testing.assert_array_equal(bind("SubtractMean", (2, 1, 3), values=5)(x), [[[[5, 15, 25]], [[-4, -3, -2]]]])
    y = bind("SubtractMean", (2, 1, 3), values=(10, 2))(x)
    np.testing.assert_array_equal(y, [[[[0, 10, 20]], [[-1, 0, 1]]]])
    assert y.dtype == np.float32


def test_a_mean_from_a_file_is_of_each_pixel_or_of_each_channel(bind):
    x = np.array([[[[10, 20, 30]], [[1, 2, 3]]]], np.uint8)
    pixel = np.array([[[10, 20, 30]], [[0, 0, 0]]], np.float64)
    np.testing.assert_array_equal(
        bind("SubtractMean", (2, 1, 3), file="m.npy", load=lambda path: pixel)(x), [[[[0, 0, 0]], [[1, 2, 3]]]]
    )
    np.testing.assert_array_equal(
        bind("SubtractMean", (2, 1, 3), file="m.npy", load=lambda path: np.array([10, 2]))(x),
        [[[[0, 10, 20]], [[-1, 0, 1]]]],
    )
    for wrong in (np.zeros((1, 3)), np.zeros(3), np.array(["a", "b"])):
        with pytest.raises(UnfitMeanError, match="holds a mean"):
            bind("SubtractMean", (2, 1, 3), file="m.npy", load=lambda path, wrong=wrong: wrong)


@pytest.mark.parametrize("cut", [1, 3, 7])
def test_computed_means_worked_by_hand_and_however_the_data_are_cut(bind, cut):
    data = np.arange(7 * 2 * 1 * 3, dtype=np.uint8).reshape(7, 2, 1, 3)  # sample s, channel c, column w: 6s + 3c + w
    chunks = [data[i : i + cut] for i in range(0, 7, cut)]
    x = np.zeros((1, 2, 1, 3), np.uint8)
    for kind in ("pixel", True):  # mean over s: 18 + 3c + w
        np.testing.assert_array_equal(
            bind("SubtractMean", (2, 1, 3), training=chunks, computed=kind)(x), [[[[-18, -19, -20]], [[-21, -22, -23]]]]
        )
    # mean over s and w: 19 + 3c
    np.testing.assert_array_equal(
        bind("SubtractMean", (2, 1, 3), training=chunks, computed="channel")(x),
        [[[[-19, -19, -19]], [[-22, -22, -22]]]],
    )


def test_sums_are_kept_in_float64(bind):
    data = np.full((3, 1), 2**24 + 1, np.int32)  # not a float32 number
    y = bind("SubtractMean", (1,), real=np.float64, training=[data], computed="channel")(data)
    np.testing.assert_array_equal(y, np.zeros((3, 1)))


def test_samples_that_are_vectors_or_numbers(bind):
    np.testing.assert_array_equal(bind("SubtractMean", (3,), values=(1, 2, 3))(np.array([[1, 2, 3]])), [[0, 0, 0]])
    np.testing.assert_array_equal(bind("SubtractMean", (), values=1)(np.array([1, 2])), [0, 1])
    np.testing.assert_array_equal(
        bind("SubtractMean", (), training=[np.array([1, 2])], computed="channel")(np.array([1, 2])), [-0.5, 0.5]
    )


def test_a_wrong_number_of_values():
    with pytest.raises(ShapeError, match="2 values do not fit samples of 3x4x5") as caught:
        SubtractMean(values=(1, 2)).output_shape((3, 4, 5))
    assert caught.value.field == "values"
    with pytest.raises(ShapeError):
        SubtractMean(values=(1, 2)).output_shape(())
    with pytest.raises(ShapeError) as caught:
        SubtractMean(values=(1, 2, 3)).output_shape((8, 9, 3))
    assert caught.value.help == "channels come first: array.transpose(0, 3, 1, 2)"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "there is no mean"),
        ({"values": 1, "file": "x"}, "`values` and `file` exclude"),
        ({"computed": False}, "computed"),
        ({"values": ()}, "there is no mean"),
    ],
)
def test_exactly_one_mean(fields, says):
    with pytest.raises(ValidationError, match=says):
        SubtractMean(**fields)


@pytest.mark.parametrize("computed", [True, "pixel", "channel"])
def test_a_mean_of_samples_that_differ_in_size(computed):
    SubtractMean(values=(1.0, 2.0, 3.0)).output_shape((3, ANY, ANY))
    with pytest.raises(ShapeError, match="no mean of samples of 3x"):
        SubtractMean(computed=computed).output_shape((3, ANY, ANY))
