"""BNLL against its definition."""

from __future__ import annotations

import math

import numpy as np

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import at, each
from tests.helpers.oracle import against


def caffe(v: float) -> float:
    """Caffe's two forms, either of which cannot overflow."""
    return v + math.log(1 + math.exp(-v)) if v > 0 else math.log(1 + math.exp(v))


def test_definition_and_derivatives() -> None:
    layer = make_layer("BNLL")
    against(each(caffe), layer, [blob(2, 3, 4, 5, scale=2.0)])
    assert layer.abilities.in_place


def test_far_values() -> None:
    """Caffe's slope is e^m / (e^m + 1) with m = min(x, 50)."""
    x = (-1e3, -40.0, 0.0, 60.0, 1e3, 1e30, math.inf, -math.inf, math.nan)
    for dtype, rtol in (("float64", 1e-15), ("float32", 4e-7)):
        y, slope = at(make_layer("BNLL"), *x, dtype=dtype)
        wanted = [0, math.exp(-40), math.log(2), 60, 1e3, 1e30, math.inf, 0, math.nan]
        np.testing.assert_allclose(y, wanted, rtol=rtol)
        np.testing.assert_allclose(slope, [0, math.exp(-40), 0.5, 1, 1, 1, 1, 0, math.nan], rtol=rtol)
