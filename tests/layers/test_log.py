"""Log against its definition, in Caffe's cases: base e or 2, shift 0 or 1, scale 1 or 3."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError

from tests.helpers.checks import blob, make_layer
from tests.helpers.elementwise import at, each, only
from tests.helpers.oracle import against


@pytest.mark.parametrize("base", [-1.0, 2.0, 0.5])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1.0, 1.0), (3.0, 0.0), (3.0, 1.0), (-0.5, 9.0)])
def test_definition_and_derivatives(base: float, scale: float, shift: float) -> None:
    true = math.e if base == -1 else base
    x = np.abs(blob(2, 3, 5)) + 0.1
    layer = make_layer("Log", base=base, scale=scale, shift=shift)
    against(
        each(lambda v: math.log(shift + scale * v) / math.log(true)),
        layer,
        [x],
        in_torch=only(lambda x: (shift + scale * x).log() / math.log(true)),
    )
    assert not layer.abilities.in_place


def test_ends() -> None:
    y, slope = at(make_layer("Log"), 0.0, -1.0, np.inf)
    np.testing.assert_array_equal(y, [-np.inf, np.nan, np.inf])
    np.testing.assert_array_equal(slope, [np.inf, -1, 0])


@pytest.mark.parametrize(
    "fields", [{"base": 0.0}, {"base": -2.0}, {"base": 1.0}, {"scale": 0.0}, {"scale": 0.0, "shift": -1.0}]
)
def test_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        make_layer("Log", **fields)
