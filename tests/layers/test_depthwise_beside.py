"""Depthwise and grouped convolutions between BatchNorms: read through a lens and a pull, leave moments and products."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any
from unittest import mock

import numpy as np
import pytest

from netspec.codegen import driver, simd
from netspec.codegen.geometry import STREAM
from netspec.core.calls import Call
from netspec.kernels.depthwise_both import BothLines
from netspec.layers.convolution import Convolution
from netspec.lowering import conv_depthwise, conv_depthwise_both, conv_passes
from tests.helpers.checks import make_layer, run_reversed
from tests.helpers.seen import check_beside, run_beside, sides

CASES: dict[str, tuple[tuple[int, int, int, int], dict[str, Any]]] = {
    "plain": ((2, 5, 7, 9), {"kernel_size": 3, "pad": 1}),
    "stride": ((3, 21, 9, 7), {"kernel_size": 3, "pad": 1, "stride": 2}),
    "even image": ((2, 17, 8, 10), {"kernel_size": 3, "pad": 1, "stride": 2}),
    "no padding": ((2, 33, 6, 11), {"kernel_size": 3}),
    "five taps": ((1, 16, 9, 12), {"kernel_size": 5, "pad": 2, "stride": 2}),
    "rectangular": ((2, 4, 9, 8), {"kernel_size": [3, 2], "pad": [1, 0], "stride": [3, 1]}),
    "spots": ((1, 6, 11, 13), {"kernel_size": 3, "dilation": 2, "pad": 2, "stride": [2, 3]}),
    "dilated": ((2, 3, 12, 7), {"kernel_size": 3, "dilation": 3, "pad": 3}),
    "wide channels": ((1, 150, 5, 4), {"kernel_size": 3, "pad": 1}),
    "one pixel": ((1, 7, 1, 1), {"kernel_size": 3, "pad": 1}),
}


def depthwise(shape: tuple[int, ...], **fields: Any) -> Convolution:
    layer = make_layer("Convolution", num_output=shape[1], group=shape[1], bias_term=False, **fields)
    assert isinstance(layer, Convolution)
    return layer


@pytest.mark.parametrize("case", CASES)
def test_definition(case: str) -> None:
    shape, fields = CASES[case]
    check_beside(depthwise(shape, **fields), shape)


@pytest.mark.parametrize(("low", "outer_low"), [(math.nan, 0.0), (0.0, 0.0)])
def test_limits(low: float, outer_low: float) -> None:
    shape = (2, 19, 6, 7)
    check_beside(depthwise(shape, kernel_size=3, pad=1), shape, low, outer_low)


@pytest.mark.parametrize("stride", [1, 2])
def test_groups(stride: int) -> None:
    shape = (2, 24, 7, 9)
    layer = make_layer(
        "Convolution", num_output=24, group=3, bias_term=False, kernel_size=3, pad=1, stride=stride, engine="GROUPED"
    )
    check_beside(layer, shape)


def test_lines_move_in_scratch_and_threads_do_not_matter() -> None:
    """Scratch with room for few lines; parts of many lines; the last part first."""
    shape = (3, 20, 23, 6)
    layer = depthwise(shape, kernel_size=3, pad=1)
    with mock.patch.object(conv_depthwise, "SCRATCH", 1), mock.patch.object(conv_depthwise, "WORK", 5000):
        able, s = layer.beside((shape,)), sides(layer, shape)
        check_beside(layer, shape)
        assert 1 < able.moments <= conv_passes.PARTS
        one, two = (run_beside(layer, s, able, runner=runner) for runner in (driver.run, run_reversed))
    for a, b in zip(one, two, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("case", ["plain", "stride", "five taps", "rectangular", "wide channels"])
def test_lines_have_the_same_bits_in_bands_of_any_number(case: str) -> None:
    shape, fields = CASES[case]
    layer = depthwise(shape, **fields)
    able, s = layer.beside((shape,)), sides(layer, shape)
    found = []
    for lines in (1, 3, conv_depthwise.BAND_LINES):
        with mock.patch.object(conv_depthwise, "BAND_LINES", lines):
            found.append(run_beside(layer, s, able, "float32").y)
    assert all(np.array_equal(found[0], other) for other in found[1:])


@pytest.mark.parametrize("stride", [1, 2])
def test_a_far_diff_is_written_past_the_caches(stride: int) -> None:
    """With the same bits; but not where it is added to, or channels are no whole vectors."""
    modes: list[int] = []

    def runner(calls: Iterable[Call], dtype: str) -> None:
        for call in calls:
            modes.extend(argument.mode for argument in call.args if isinstance(argument, BothLines))
            driver.run([call], dtype)

    for channels, adding in ((32, False), (32, True), (23, False)):
        shape = (2, channels, 9, 13)
        layer = depthwise(shape, kernel_size=3, pad=1, stride=stride)
        able, s = layer.beside((shape,)), sides(layer, shape)
        with mock.patch.object(conv_depthwise_both, "FAR", 1):
            one = run_beside(layer, s, able, "float32", adding, runner=runner)
        two = run_beside(layer, s, able, "float32", adding, runner=runner)
        for a, b in zip(one, two, strict=True):
            assert np.array_equal(a, b)
    assert [mode & STREAM > 0 for mode in modes] == [simd.BYTES == simd.LINE] + 5 * [False]


def test_a_bias_needs_the_gradient_itself() -> None:
    layer = make_layer("Convolution", num_output=5, group=5, kernel_size=3)
    assert not layer.beside(((2, 5, 6, 7),)).pulls
