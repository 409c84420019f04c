"""Depthwise convolution against its definition: strips, spots, and the phases of backward."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.codegen.geometry import meetings
from netspec.layers.convolution import Convolution
from netspec.lowering.conv_depthwise import Depthwise
from tests.helpers import naive
from tests.helpers.checks import blob, check_layer, forward, make_layer, random_params

WINDOWS: dict[str, tuple[tuple[int, int, int, int], dict[str, Any]]] = {
    "3x3": ((2, 5, 7, 9), {"kernel_size": 3, "pad": 1}),
    "3x3 over 16 channels": ((1, 16, 8, 16), {"kernel_size": 3, "pad": 1}),
    "3x3 over 35 channels": ((2, 35, 5, 6), {"kernel_size": 3, "pad": 1}),
    "3x3 over 130 channels": ((1, 130, 3, 4), {"kernel_size": 3, "pad": 1}),
    "3x3 of stride 2": ((2, 5, 8, 10), {"kernel_size": 3, "pad": 1, "stride": 2}),
    "3x3 of stride 2, an odd image": ((2, 3, 9, 11), {"kernel_size": 3, "pad": 1, "stride": 2}),
    "3x3 without padding": ((2, 3, 6, 13), {"kernel_size": 3}),
    "3x3 that leaves pixels out": ((1, 3, 8, 8), {"kernel_size": 3, "stride": 2}),
    "3x3 on a single pixel": ((2, 3, 1, 1), {"kernel_size": 3, "pad": 1}),
    "more padding than taps": ((1, 3, 4, 5), {"kernel_size": 2, "pad": 3}),
    "5x5": ((1, 3, 7, 19), {"kernel_size": 5, "pad": 2}),
    "5x5 of stride 2": ((1, 3, 9, 7), {"kernel_size": 5, "pad": 2, "stride": 2}),
    "7x7 on fewer pixels": ((1, 3, 3, 4), {"kernel_size": 7, "pad": 3}),
    "9x9": ((1, 3, 9, 11), {"kernel_size": 9, "pad": 4}),
    "1x1 of stride 2": ((2, 3, 5, 6), {"kernel_size": 1, "stride": 2}),
    "stride 3": ((1, 3, 10, 8), {"kernel_size": 3, "pad": 1, "stride": 3}),
    "dilated": ((1, 3, 9, 14), {"kernel_size": 3, "pad": 2, "dilation": 2}),
    "dilated, of stride 2": ((1, 3, 9, 8), {"kernel_size": 3, "pad": 2, "dilation": 2, "stride": 2}),
    "dilated by 3, of stride 2": ((1, 3, 12, 11), {"kernel_size": 3, "pad": 3, "dilation": 3, "stride": 2}),
    "unlike axes": ((2, 3, 7, 8), {"kernel_h": 3, "kernel_w": 1, "stride_h": 2, "stride_w": 1, "pad_h": 1, "pad_w": 0}),
    "unlike axes, the other way": (
        (2, 3, 7, 8),
        {"kernel_h": 1, "kernel_w": 3, "stride_h": 1, "stride_w": 2, "pad_h": 0, "pad_w": 1},
    ),
}


@pytest.mark.parametrize("bias_term", [True, False])
@pytest.mark.parametrize(("shape", "window"), WINDOWS.values(), ids=WINDOWS)
def test_definition_and_derivatives(
    shape: tuple[int, int, int, int], window: dict[str, Any], bias_term: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Convolution, "way", lambda self, conv: Depthwise())
    x, c = blob(*shape), shape[1]
    layer = make_layer("Convolution", num_output=c, group=c, bias_term=bias_term, **window)
    assert isinstance(layer, Convolution)
    assert Depthwise().fits(layer.plain(shape))
    params = random_params(layer, [x])
    check_layer(layer, [x], params=params)
    pairs = [(pair[0], pair[1]) for pair in zip(*(axis[1:] for axis in layer.windows(x.shape)), strict=True)]
    wanted = naive.convolution(x, params[0], params[1] if bias_term else None, *pairs, group=c)
    np.testing.assert_allclose(forward(layer, x, params=params)[0], wanted, rtol=1e-12, atol=1e-12)


def test_only_one_filter_for_each_channel() -> None:
    several = make_layer("Convolution", num_output=6, group=3, kernel_size=3)
    dense = make_layer("Convolution", num_output=3, kernel_size=3)
    assert isinstance(several, Convolution)
    assert isinstance(dense, Convolution)
    assert not Depthwise().fits(several.plain((1, 3, 5, 5)))
    assert not Depthwise().fits(dense.plain((1, 3, 5, 5)))


@pytest.mark.parametrize(
    ("window", "triples"),
    [
        ((2, 3, 1, 1), [(-1, 0, 2), (0, 0, 1), (0, 1, 2), (1, 0, 0), (1, 1, 1), (2, 1, 0)]),
        ((2, 3, 2, 1), [(0, 0, 1), (0, 1, 2), (1, 1, 0)]),
        ((3, 2, 1, 0), [(-1, 0, 1), (0, 0, 0), (0, 1, 1), (1, 1, 0), (1, 2, 1), (2, 2, 0)]),
        ((1, 1, 2, 1), []),
    ],
)
def test_columns_that_meet(window: tuple[int, int, int, int], triples: list[tuple[int, int, int]]) -> None:
    """Column q of the top meets column j of the bottom by tap t = j + pad - q * stride."""
    assert meetings(*window) == triples
