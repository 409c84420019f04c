"""constant: one value everywhere."""

from __future__ import annotations

import numpy as np

from tests.fillers.conftest import Fill


def test_one_value(fill: Fill) -> None:
    np.testing.assert_array_equal(fill("constant", (2, 3), value=0.25), np.full((2, 3), 0.25))
    np.testing.assert_array_equal(fill("constant", ()), 0)
