"""Power against its definition: every power with a way of its own, and the kinks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.helpers.checks import Array, blob, check_layer, forward, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("power", [0.0, 0.37, 0.5, 1.0, 2.0, 3.0, -1.0, -2.5])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (0.83, 2.4), (-0.5, 3.0), (0.0, 2.4)])
def test_definition_and_derivatives(power: float, scale: float, shift: float) -> None:
    layer, x = make_layer("Power", power=power, scale=scale, shift=shift), blob(2, 3, 4, 5, away_from=[0.0])
    if shift == 0 and not power.is_integer():
        x = np.abs(x)
    if shift:
        x = np.clip(x, -2.5, 2.5)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        return [np.array([(shift + scale * v) ** power for v in bottoms[0].ravel()]).reshape(x.shape)]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        return [(shift + scale * bottoms[0]) ** power]

    against(oracle, layer, [x], in_torch=in_torch)
    np.testing.assert_allclose(forward(layer, x)[0], (shift + scale * x) ** power, rtol=1e-13)


def test_caffe_case() -> None:
    """Of power .37, scale .83, shift -2.4: NaN where the base is negative."""
    x = np.array([1.0, 2.0, 3.0, 4.0])
    (y,) = forward(make_layer("Power", power=0.37, scale=0.83, shift=-2.4), x)
    assert np.isnan(y[:2]).all()
    np.testing.assert_allclose(y[2:], [0.09**0.37, 0.92**0.37], rtol=1e-12)


def test_a_base_of_zero_has_a_gradient() -> None:
    """Caffe divides 0 by 0 there, but for the powers 1 and 2."""
    for power, wanted in ((0.0, 0), (1.0, 4), (2.0, 0), (3.0, 0)):
        result = run_layer(make_layer("Power", power=power), np.zeros(3), top_diffs=[np.full(3, 4.0)])
        np.testing.assert_array_equal(result.bottom_diffs[0], np.full(3, wanted))


def test_constants_do_not_spread_nan() -> None:
    x = np.array([np.nan, np.inf, 1])
    for fields, value in (({"power": 0.0}, 1), ({"scale": 0.0, "shift": 3.0, "power": 2.0}, 9)):
        result = run_layer(make_layer("Power", **fields), x, top_diffs=[np.ones(3)])
        np.testing.assert_array_equal(result.tops[0], np.full(3, value))
        np.testing.assert_array_equal(result.bottom_diffs[0], np.zeros(3))


@pytest.mark.parametrize("fields", [{"shift": 0.0, "power": -1.0}, {"shift": -2.0, "power": 0.5}])
def test_refuses_a_constant_that_is_no_number(fields: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        make_layer("Power", scale=0.0, **fields)


def test_the_identity_only_moves_values() -> None:
    """`check_layer` compares what it says of itself with its top."""
    assert make_layer("Power").moves("TRAIN") is not None
    check_layer(make_layer("Power"), [blob(2, 3)])
    assert not any(make_layer("Power", **{name: 2}).moves("TRAIN") for name in ("power", "scale", "shift"))
