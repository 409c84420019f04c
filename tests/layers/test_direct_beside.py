"""Direct convolutions of several taps between BatchNorms: they read through lenses, and leave moments and products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.layers.convolution import Convolution
from netspec.lowering.conv_direct import sent
from tests.helpers.checks import make_layer, run_reversed
from tests.helpers.seen import Seen, check_beside, run_beside, sides

CASES: dict[str, tuple[tuple[int, int, int, int], dict[str, Any]]] = {
    "plain": ((2, 5, 7, 9), {"num_output": 6, "kernel_size": 3, "pad": 1}),
    "first layer": ((2, 3, 11, 9), {"num_output": 17, "kernel_size": 7, "pad": 3, "stride": 2}),
    "stride": ((3, 18, 9, 7), {"num_output": 20, "kernel_size": 3, "pad": 1, "stride": 2}),
    "no padding": ((2, 4, 6, 11), {"num_output": 33, "kernel_size": [2, 3]}),
    "scattered": ((9, 2, 8, 7), {"num_output": 5, "kernel_size": 5, "pad": 2}),
    "dilated": ((1, 3, 12, 7), {"num_output": 4, "kernel_size": 3, "dilation": [3, 2], "pad": 2}),
    "groups": ((2, 6, 5, 8), {"num_output": 9, "kernel_size": 3, "group": 3, "pad": 1}),
}


def direct(**fields: Any) -> Convolution:
    layer = make_layer("Convolution", bias_term=False, engine="DIRECT", **fields)
    assert isinstance(layer, Convolution)
    return layer


@pytest.mark.parametrize("case", CASES)
def test_definition(case: str) -> None:
    shape, fields = CASES[case]
    layer = direct(**fields)
    assert (sent(layer.plain(shape)) is not None) == (case == "scattered")
    check_beside(layer, shape)


@pytest.mark.parametrize(("low", "outer_low"), [(math.nan, 0.0), (0.0, 0.0)])
def test_limits(low: float, outer_low: float) -> None:
    shape = (2, 19, 6, 7)
    check_beside(direct(num_output=11, kernel_size=3, pad=1), shape, low, outer_low)


def test_threads_do_not_matter() -> None:
    shape = (5, 20, 23, 6)
    layer = direct(num_output=9, kernel_size=3, pad=1)
    able, s = layer.beside((shape,)), sides(layer, shape)
    assert able.moments > 1 and able.products[0] > 1
    one, two = (run_beside(layer, s, able, runner=runner) for runner in (driver.run, run_reversed))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("case", ["plain", "stride", "groups", "scattered"])
def test_the_tops_diff_is_pulled_once(case: str) -> None:
    shape, fields = CASES[case]
    layer = direct(**fields)
    able, s = layer.beside((shape,)), sides(layer, shape)
    for runner in (driver.run, run_reversed):
        found, wanted = (run_beside(layer, s, able, once=once, runner=runner) for once in (True, False))
        for name, a, b in zip(Seen._fields, found, wanted, strict=True):
            np.testing.assert_array_equal(a, b, err_msg=name)


def test_products_need_a_single_pass() -> None:
    layer = direct(num_output=4, kernel_size=3, pad=1, stride=2)
    assert layer.beside(((2, 18, 6, 7),)).products == (0,)
