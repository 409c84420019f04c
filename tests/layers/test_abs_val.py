"""AbsVal against its definition."""

from __future__ import annotations

import numpy as np

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import as_in_torch, at, each, only
from tests.helpers.oracle import against


def test_definition_and_derivatives() -> None:
    layer = make_layer("AbsVal")
    against(
        each(lambda v: v if v > 0 else -v), layer, [blob(2, 3, 4, 5, away_from=[0.0])], in_torch=only(lambda x: x.abs())
    )
    assert not layer.abilities.in_place


def test_ends() -> None:
    y, slope = at(make_layer("AbsVal"), 0.0, -0.0, np.inf, -np.inf, np.nan)
    np.testing.assert_array_equal(y, [0, 0, np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(slope, [0, 0, 1, -1, 0])
    assert not np.signbit(y[1])
    as_in_torch(make_layer("AbsVal"), lambda x: x.abs(), 0.0, -3.0, 1e300)
