"""uniform: bounds, mean and variance."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.fillers.base import FILLERS
from tests.fillers.conftest import Fill


def test_bounds_and_moments(fill: Fill) -> None:
    x = fill("uniform", (1000, 2, 4, 5), min=-1.0, max=3.0)
    assert x.min() >= -1 and x.max() <= 3
    deviation = 4 / np.sqrt(12)
    assert abs(x.mean() - 1) < 4 * deviation / np.sqrt(x.size)
    assert abs(x.std() / deviation - 1) < 0.01


def test_defaults_are_caffes(fill: Fill) -> None:
    x = fill("uniform", (1000,))
    assert 0 <= x.min() < 0.05 and 0.95 < x.max() <= 1


def test_bounds_in_order() -> None:
    with pytest.raises(ValidationError, match="larger than"):
        FILLERS.parse({"type": "uniform", "min": 2.0})
