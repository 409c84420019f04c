"""Swish against its definition, in Caffe's cases: beta 1, 1.5, and 0, which is x / 2."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import at, each, only
from tests.helpers.oracle import against


@pytest.mark.parametrize("beta", [1.0, 1.5, 0.0, -0.75])
def test_definition_and_derivatives(beta: float) -> None:
    def in_torch(x: Any) -> Any:
        return x * (beta * x).sigmoid()

    layer, x = make_layer("Swish", beta=beta), blob(2, 3, 4, 5, scale=2.0)
    against(each(lambda v: v / (1 + math.exp(-beta * v))), layer, [x], in_torch=only(in_torch))
    if beta == 0:
        np.testing.assert_array_equal(at(layer, *x.ravel())[0], x.ravel() / 2)


def test_far_values() -> None:
    y, slope = at(make_layer("Swish"), -1e3, 1e3, np.nan)
    np.testing.assert_array_equal(y, [0, 1e3, np.nan])
    np.testing.assert_array_equal(slope, [0, 1, np.nan])
