"""Standardize: each sample, or channel of it, by itself."""

import statistics

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.data.transforms.base import Draw


def test_against_the_statistics_module(bind, photos):
    whole = bind("Standardize", (3, 6, 8))(photos)
    parts = bind("Standardize", (3, 6, 8), by="channel")(photos)
    assert whole.dtype == np.float32
    for n in range(5):
        values = photos[n].reshape(-1).tolist()
        mean, deviation = statistics.fmean(values), statistics.pstdev(values)
        np.testing.assert_allclose(whole[n], (photos[n] - mean) / deviation, atol=1e-5)
        for c in range(3):
            values = photos[n, c].reshape(-1).tolist()
            mean, deviation = statistics.fmean(values), statistics.pstdev(values)
            np.testing.assert_allclose(parts[n, c], (photos[n, c] - mean) / deviation, atol=1e-5)


def test_constants_become_0(bind):
    np.testing.assert_array_equal(bind("Standardize", (4,))(np.full((2, 4), 7.0, np.float32)), np.zeros((2, 4)))


def test_ragged_samples_come_one_by_one(bind_all):
    x = [np.arange(6.0, dtype=np.float32).reshape(1, 2, 3), np.arange(20.0, dtype=np.float32).reshape(1, 4, 5)]
    run = bind_all("Standardize", ((1, -1, -1), ()))
    done, _ = run.transform.bind_all(run.setting)((x, np.zeros(2)), Draw(1, np.zeros(2, int), np.arange(2)))
    for one in done:
        assert one.mean() == pytest.approx(0, abs=1e-6) and one.std() == pytest.approx(1, rel=1e-6)


@pytest.mark.parametrize(("shape", "by"), [((), "sample"), ((4,), "channel")])
def test_single_numbers_would_all_be_0(bind, shape, by):
    with pytest.raises(ShapeError, match="single number"):
        bind("Standardize", shape, by=by)
