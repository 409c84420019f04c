"""OneHot: rows of labels, labels of pixels, and labels that are none."""

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.data.labels import BadLabelError
from netspec.data.transforms.base_soft import NoSuchOutputError


def test_labels_of_samples_and_of_pixels(bind_all):
    x = np.zeros((3, 2), np.float32)
    _, y = bind_all("OneHot", ((2,), ()), classes=4)(x, np.array([3, 0, 1]))
    np.testing.assert_array_equal(y, [[0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0]])
    assert y.dtype == np.float32
    labels = np.array([[[0, 1], [2, 2], [1, 0]]])
    _, y = bind_all("OneHot", ((2,), (3, 2)), phase="TEST", classes=3)(x[:1], labels)
    assert y.shape == (1, 3, 3, 2)
    for i in range(3):
        for j in range(2):
            assert y[0, :, i, j].tolist() == [float(c == labels[0, i, j]) for c in range(3)]


@pytest.mark.parametrize("label", [4, -1, 1.5])
def test_a_label_that_is_no_class(bind_all, label):
    with pytest.raises(BadLabelError, match="sample 8 of array 1 has the label"):
        bind_all("OneHot", ((2,), ()), classes=4)(np.zeros((2, 2)), np.array([0, label]), index=[5, 8])


def test_outputs_that_are_not_there_or_differ_in_size(bind_all):
    with pytest.raises(NoSuchOutputError, match="output 2, but the data have the outputs 0 to 1"):
        bind_all("OneHot", ((2,), ()), classes=4, output=2)
    with pytest.raises(ShapeError, match="labels of one size"):
        bind_all("OneHot", ((2,), (-1,)), classes=4)
