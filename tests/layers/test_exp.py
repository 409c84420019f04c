"""Exp against its definition, in Caffe's cases: base e or 2, shift 0 or 1, scale 1 or 3."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import at, each, only
from tests.helpers.oracle import against


@pytest.mark.parametrize("base", [-1.0, 2.0, 0.5, 1.0])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1.0, 1.0), (3.0, 0.0), (3.0, 1.0), (-0.5, 0.0)])
def test_definition_and_derivatives(base: float, scale: float, shift: float) -> None:
    true = math.e if base == -1 else base
    layer = make_layer("Exp", base=base, scale=scale, shift=shift)
    against(
        each(lambda v: true ** (shift + scale * v)),
        layer,
        [blob(2, 3, 5)],
        in_torch=only(lambda x: true ** (shift + scale * x)),
    )
    assert layer.abilities.in_place


def test_far_values() -> None:
    y, slope = at(make_layer("Exp", base=10.0), -400.0, 400.0, np.nan)
    np.testing.assert_array_equal(y, [0, np.inf, np.nan])
    np.testing.assert_array_equal(slope, [0, np.inf, np.nan])


@pytest.mark.parametrize("base", [0.0, -2.0])
def test_refused(base: float) -> None:
    with pytest.raises(ValidationError, match="must be above 0"):
        make_layer("Exp", base=base)
