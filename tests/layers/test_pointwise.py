"""Convolutions of one tap between BatchNorms: read through a lens and a pull, leave moments and products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.layers.convolution import Convolution
from tests.helpers.checks import make_layer, run_reversed
from tests.helpers.seen import Seen, expected, run_beside, sides

CASES: dict[str, tuple[tuple[int, int, int, int], int, Any]] = {
    "few channels": ((2, 3, 7, 9), 5, 1),
    "one pixel": ((1, 6, 1, 1), 4, 1),
    "whole vectors": ((3, 32, 5, 11), 64, 1),
    "deeper than is multiplied at a time": ((2, 600, 4, 7), 37, 1),
    "many filters": ((2, 21, 5, 6), 530, 1),
    "parts share panels": ((1, 70, 3, 4), 290, 1),
    "stride": ((2, 24, 9, 7), 40, 2),
    "stride, even image": ((3, 17, 8, 10), 20, 2),
    "stride, many filters": ((1, 40, 5, 8), 610, (2, 3)),
    "stride, deep": ((1, 610, 7, 5), 50, (3, 2)),
}


def pointwise(filters: int, stride: Any, **fields: Any) -> Convolution:
    layer = make_layer(
        "Convolution", num_output=filters, kernel_size=1, stride=stride, **{"bias_term": False, **fields}
    )
    assert isinstance(layer, Convolution)
    return layer


def compare(found: Seen, wanted: Seen, rtol: float, share: float) -> None:
    for name, a, b in zip(Seen._fields, found, wanted, strict=True):
        if name != "dw":  # tests of the weight's gradient stand elsewhere
            np.testing.assert_allclose(a, b, rtol=rtol, atol=share * np.abs(b).max(), err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_definition(case: str) -> None:
    shape, filters, stride = CASES[case]
    layer = pointwise(filters, stride)
    able, s, conv = layer.beside((shape,)), sides(layer, shape, outer_low=math.nan), layer.plain(shape)
    assert able.reads == {0} and able.moments and able.pulls and able.products[0]
    for adding, summing, wide in ((False, False, False), (True, False, True), (False, True, False)):
        wanted = expected(conv, s, adding, summing)
        compare(run_beside(layer, s, able, "float64", adding, summing, wide), wanted, 1e-10, 1e-10)
    compare(run_beside(layer, s, able, "float32"), expected(conv, s, False, False), 1e-4, 5e-6)


@pytest.mark.parametrize(("low", "outer_low"), [(math.nan, 0.0), (0.0, 0.0)])
def test_limits(low: float, outer_low: float) -> None:
    shape, layer = (2, 19, 6, 7), pointwise(23, 1)
    s = sides(layer, shape, low, outer_low)
    found = run_beside(layer, s, layer.beside((shape,)))
    compare(found, expected(layer.plain(shape), s, False, False), 1e-10, 1e-10)


@pytest.mark.parametrize(("filters", "stride"), [(35, 1), (200, 2)])
def test_parts_in_any_order_leave_the_bits(filters: int, stride: int) -> None:
    shape, layer = (3, 70, 15, 13), pointwise(filters, stride)
    able, s = layer.beside((shape,)), sides(layer, shape)
    assert able.moments > 1 and able.products[0] > 1
    many = run_beside(layer, s, able, "float32")
    alone = run_beside(layer, s, able, "float32", runner=run_reversed)
    driver.limit_threads(1)
    try:
        single = run_beside(layer, s, able, "float32")
    finally:
        driver.limit_threads(None)
    for a, b, c in zip(many, alone, single, strict=True):
        assert np.array_equal(a, b) and np.array_equal(a, c)


def test_a_bias_needs_the_gradient_itself() -> None:
    assert not pointwise(5, 1, bias_term=True).beside(((2, 7, 6, 3),)).pulls
