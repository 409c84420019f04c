"""msra: Caffe's case, 1000x2x4x5, whose n is 40, 20000 or 10020."""

from __future__ import annotations

import numpy as np
import pytest

from tests.fillers.conftest import Fill


@pytest.mark.parametrize(("norm", "n"), [("FAN_IN", 40), ("FAN_OUT", 20000), ("AVERAGE", 10020)])
def test_variance(fill: Fill, norm: str, n: int) -> None:
    x = fill("msra", (1000, 2, 4, 5), variance_norm=norm)
    assert abs(x.mean()) < 4 * np.sqrt(2 / n / x.size)
    assert abs(x.var() * n / 2 - 1) < 0.03


def test_values_are_normal(fill: Fill) -> None:
    x = fill("msra", (1000, 2, 4, 5))
    assert abs((x**4).mean() / x.var() ** 2 - 3) < 0.2
