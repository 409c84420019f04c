"""LeakyReLU against its definition; with slope 0 it is ReLU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import as_in_torch, at, each, only
from tests.helpers.oracle import against


def in_torch(slope: float) -> Any:
    def function(x: Any) -> Any:
        import torch

        return torch.nn.functional.leaky_relu(x, slope)

    return function


@pytest.mark.parametrize("slope", [0.01, 0.5, -0.25])
def test_definition_and_derivatives(slope: float) -> None:
    layer = make_layer("LeakyReLU", **({} if slope == 0.01 else {"negative_slope": slope}))
    x = blob(2, 3, 4, 5, away_from=[0.0])
    against(each(lambda v: v if v > 0 else slope * v), layer, [x], in_torch=only(in_torch(slope)))
    assert layer.abilities.in_place == (slope >= 0)
    as_in_torch(layer, in_torch(slope), 0.0, -1e300)


def test_slope_zero_is_relu() -> None:
    x = blob(30)
    for one, other in zip(at(make_layer("LeakyReLU", negative_slope=0.0), *x), at(make_layer("ReLU"), *x), strict=True):
        np.testing.assert_array_equal(one, other)
