"""Adding: two marks a sequence, one in each half, and the sum of what they mark."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.data.sources.adding import Adding


@pytest.mark.parametrize("steps", [2, 7, 100])
def test_sums(steps: int) -> None:
    data = Adding(steps=steps, samples=500).open(None)
    assert (len(data), data.shapes) == (500, ((steps, 2), (1,)))
    x, y = data.read(np.arange(500))
    values, marks = x[..., 0], x[..., 1]
    assert set(marks.ravel()) <= {0.0, 1.0}
    np.testing.assert_array_equal(marks[:, : steps // 2].sum(1), 1)
    np.testing.assert_array_equal(marks[:, steps // 2 :].sum(1), 1)
    np.testing.assert_allclose(y[:, 0], (values * marks).sum(1), rtol=1e-15)
    assert values.min() >= 0
    assert values.max() < 1
    assert ((y - 1) ** 2).mean() == pytest.approx(1 / 6, abs=0.02)


def test_a_sequence_depends_on_seed_and_number_alone() -> None:
    data, other = (Adding(steps=5, samples=9, seed=seed).open(None) for seed in (1, 2))
    some, all = data.read(np.array([4, 2])), data.read(np.arange(9))
    for few, whole in zip(some, all, strict=True):
        np.testing.assert_array_equal(few, whole[[4, 2]])
    assert np.abs(other.read(np.arange(9))[1] - all[1]).min() > 0
    assert data.describe() == "adding problem: 9 sequences of 5 steps, seed 1"
    assert data.name(3) == "sequence 3 of the adding problem"
