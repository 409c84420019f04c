"""sinusoidal against the published formula."""

from __future__ import annotations

import math

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.fillers.base import FILLERS
from tests.fillers.conftest import Fill


@pytest.mark.parametrize("size", [6, 5, 1])
def test_formula(fill: Fill, size: int) -> None:
    values = fill("sinusoidal", (4, size))
    for t in range(4):
        for j in range(size):
            angle = t / 10000 ** (2 * (j // 2) / size)
            assert values[t, j] == pytest.approx(math.cos(angle) if j % 2 else math.sin(angle), rel=1e-14)
    np.testing.assert_array_equal(values[0, ::2], 0)


def test_refuses_what_has_no_rows() -> None:
    with pytest.raises(ShapeError, match="not 2x3x4"):
        FILLERS.parse("sinusoidal").check((2, 3, 4))
