"""FillMissing: means and medians of training data in the place of NaN."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.core.shape import ANY, ShapeError
from netspec.data.feed import open_feed
from netspec.data.spec import FeedSpec
from netspec.data.transforms.fill_missing import FillMissing, NothingKnownError

TRAIN = "a,b\n1,7\n,8\n2,\n9,0\n"


@pytest.fixture
def feeds(tmp_path):
    def feeds(by, train=TRAIN, test="a,b\n,\n5,6\n"):
        found = []
        for name, text in (("train.csv", train), ("test.csv", test)):
            (tmp_path / name).write_text(text)
            transform = {"type": "FillMissing"} | ({"by": by} if by else {})
            source = {"type": "Csv", "file": name, "missing": "keep"}
            found.append(FeedSpec(source=source, batch_size=2, transform=(transform,), shuffle=False))
        train, test = found
        return open_feed(train, "TRAIN", 1, tmp_path), open_feed(test, "TEST", 1, tmp_path, train=train)

    return feeds


@pytest.mark.parametrize(("by", "value"), [(None, [4, 5]), ("mean", [4, 5]), ("median", [2, 7])])
def test_both_phases_take_the_values_of_training_data(feeds, by, value):
    train, test = feeds(by)
    np.testing.assert_array_equal(train.batch(0, 4)[0], [[1, 7], [value[0], 8], [2, value[1]], [9, 0]])
    np.testing.assert_array_equal(test.batch(0, 2)[0], [value, [5, 6]])


def test_a_feature_without_any_value(feeds):
    with pytest.raises(NothingKnownError, match="feature 1 has no value"):
        feeds("mean", train="a,b\n1,\n2,\n")


def test_samples_that_differ_in_size():
    with pytest.raises(ShapeError, match="samples of one size"):
        FillMissing().output_shape((ANY, 3))
