"""Random samples: their kinds, and that a sample depends on its number alone."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import Philox

from netspec.core import rng
from netspec.data.sources.random import Random


def test_bytes_are_the_raw_words_of_a_sample() -> None:
    data = Random(shape=(3, 5, 7), samples=10**9, classes=11, seed=4).open(None)
    assert data.shapes == ((3, 5, 7), ()) and len(data) == 10**9
    x, labels = data.read(np.array([999_999_999, 2, 999_999_999]))
    assert x.dtype == np.uint8 and x.shape == (3, 3, 5, 7)
    words = Philox(key=rng.key(4, "sample", 2)).random_raw(14)
    wanted = [(int(word) >> shift) & 255 for word in words for shift in range(0, 64, 8)]
    assert x[1].reshape(-1).tolist() == wanted[:105]
    np.testing.assert_array_equal(x[0], x[2])
    assert labels[0] == labels[2]


def test_uniform_numbers_and_labels() -> None:
    data = Random(shape=(13,), samples=500, classes=3, values="uniform").open(None)
    x, labels = data.read(np.arange(500))
    assert x.dtype == np.float32 and 0 <= x.min() < 0.01 and 0.99 < x.max() < 1
    assert x.mean() == pytest.approx(0.5, abs=0.02) and x.std() == pytest.approx(12**-0.5, abs=0.01)
    assert set(labels.tolist()) == {0, 1, 2}


def test_without_classes_there_is_one_output() -> None:
    data = Random(shape=(2,), samples=3).open(None)
    assert data.shapes == ((2,),) and len(data.read(np.arange(3))) == 1
    assert data.describe() == "random bytes: 3 samples of 2, seed 1" and data.name(1) == "random sample 1"
