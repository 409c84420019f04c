"""Threshold against its definition, in Caffe's cases: 0 and 0.5."""

from __future__ import annotations

import numpy as np
import pytest

from tests.helpers.checks import blob, forward, make_layer
from tests.helpers.elementwise import each
from tests.helpers.oracle import against


@pytest.mark.parametrize("threshold", [0.0, 0.5])
def test_definition(threshold: float) -> None:
    layer = make_layer("Threshold", threshold=threshold)
    against(each(lambda v: 1.0 if v > threshold else 0.0), layer, [blob(2, 3, 4, 5, away_from=[threshold])])
    assert not layer.differentiable and layer.abilities.in_place
    ends = np.array([threshold, np.inf, -np.inf, np.nan, np.nextafter(threshold, 1)])
    np.testing.assert_array_equal(forward(layer, ends)[0], [0, 1, 0, 0, 1])
