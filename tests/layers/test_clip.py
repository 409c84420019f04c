"""Clip against its definition; Caffe's case -1..2."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import as_in_torch, at, each, only
from tests.helpers.oracle import against


@pytest.mark.parametrize(("low", "high"), [(-1.0, 2.0), (0.25, 0.75), (0.5, 0.5)])
def test_definition_and_derivatives(low: float, high: float) -> None:
    layer, x = make_layer("Clip", min=low, max=high), blob(2, 3, 4, 5, scale=2.0, away_from=[low, high])
    against(each(lambda v: min(max(v, low), high)), layer, [x], in_torch=only(lambda x: x.clamp(low, high)))
    assert not layer.abilities.in_place


def test_bounds_pass_their_gradient() -> None:
    layer = make_layer("Clip", min=-1.0, max=2.0)
    y, slope = at(layer, -1.0, 2.0, -1.5, 2.5, np.inf, -np.inf, np.nan)
    np.testing.assert_array_equal(y, [-1, 2, -1, 2, 2, -1, np.nan])
    np.testing.assert_array_equal(slope, [1, 1, 0, 0, 0, 0, 0])
    as_in_torch(layer, lambda x: x.clamp(-1.0, 2.0), -1.0, 2.0, -1.5, 2.5)


@pytest.mark.parametrize("fields", [{"min": 0.0}, {"max": 0.0}, {"min": 1.0, "max": 0.5}])
def test_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        make_layer("Clip", **fields)
