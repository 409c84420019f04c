"""xavier: Caffe's case, 1000x2x4x5, whose n is 40, 20000 or 10020."""

from __future__ import annotations

import numpy as np
import pytest

from netspec.fillers.base import FILLERS, fans
from tests.fillers.conftest import Fill

SHAPE = (1000, 2, 4, 5)


@pytest.mark.parametrize(("norm", "n"), [("FAN_IN", 40), ("FAN_OUT", 20000), ("AVERAGE", 10020)])
def test_variance(fill: Fill, norm: str, n: int) -> None:
    x = fill("xavier", SHAPE, variance_norm=norm)
    assert abs(x.mean()) < 4 / np.sqrt(n * x.size)
    assert abs(x.var() * n - 1) < 0.02
    assert np.abs(x).max() <= np.sqrt(3 / n)


def test_default_is_fan_in() -> None:
    a, b = (
        FILLERS.parse(value).fill(SHAPE, np.random.default_rng(1))
        for value in ("xavier", {"type": "xavier", "variance_norm": "FAN_IN"})
    )
    np.testing.assert_array_equal(a, b)


def test_fans_of_vectors_and_scalars() -> None:
    assert fans((6,)) == (1, 6) and fans(()) == (1, 1) and fans((5, 7)) == (7, 5)
