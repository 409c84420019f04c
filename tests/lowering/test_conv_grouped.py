"""Convolution in groups of few channels against its definition: groups that fill vectors, and vectors that fill groups.

tests/helpers/widths.py runs such groups at other widths of vectors.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.layers.convolution import Convolution
from netspec.lowering.conv_depthwise import piece_count
from netspec.lowering.conv_direct import Direct
from netspec.lowering.conv_grouped import Grouped
from netspec.lowering.conv_winograd import Winograd
from tests.helpers import naive
from tests.helpers.checks import blob, check_layer, make_layer, random_params, run_layer

GROUPS: dict[str, tuple[tuple[int, int, int, int], dict[str, Any]]] = {
    "groups of 2": ((2, 6, 5, 7), {"group": 3, "kernel_size": 3, "pad": 1}),
    "groups of 4, more than a vector, not whole": ((2, 20, 9, 17), {"group": 5, "kernel_size": 3, "pad": 1}),
    "groups of 4 of stride 2": ((2, 12, 10, 15), {"group": 3, "kernel_size": 3, "pad": 1, "stride": 2}),
    "groups of 4 of stride 2, an even image": ((1, 12, 9, 16), {"group": 3, "kernel_size": 3, "pad": 1, "stride": 2}),
    "groups of 8, not whole": ((2, 24, 6, 5), {"group": 3, "kernel_size": 3, "pad": 1}),
    "groups of 8 of stride 2": ((1, 16, 11, 8), {"group": 2, "kernel_size": 3, "pad": 1, "stride": 2}),
    "groups of 8, 5x5": ((1, 16, 7, 9), {"group": 2, "kernel_size": 5, "pad": 2}),
    "groups of 16 of stride 2": ((1, 32, 7, 6), {"group": 2, "kernel_size": 3, "pad": 1, "stride": 2}),
    "groups of 16, 5x1": ((1, 32, 8, 6), {"group": 2, "kernel_h": 5, "kernel_w": 1, "pad_h": 2, "pad_w": 0}),
    "without padding": ((2, 8, 6, 13), {"group": 2, "kernel_size": 3}),
    "1x1": ((2, 12, 5, 16), {"group": 3, "kernel_size": 1}),
    "1x1, a rest of a line": ((2, 8, 5, 9), {"group": 2, "kernel_size": 1}),
    "3x1, a rest of a line": ((2, 12, 6, 9), {"group": 3, "kernel_h": 3, "kernel_w": 1, "pad_h": 1, "pad_w": 0}),
    "lines that no tap reaches": (
        (2, 8, 9, 7),
        {"group": 2, "kernel_h": 1, "kernel_w": 3, "stride_h": 2, "stride_w": 1},
    ),
    "unlike axes": ((2, 8, 9, 7), {"group": 2, "kernel_h": 3, "kernel_w": 2, "stride_h": 2, "stride_w": 1}),
}


def layer_of(shape: tuple[int, int, int, int], **fields: Any) -> Convolution:
    layer = make_layer("Convolution", **{"num_output": shape[1], **fields})
    assert isinstance(layer, Convolution)
    return layer


def defined(layer: Convolution, x: np.ndarray, w: np.ndarray, b: np.ndarray | None) -> np.ndarray:
    """The convolution in float64."""
    pairs = [(pair[0], pair[1]) for pair in zip(*(axis[1:] for axis in layer.windows(x.shape)), strict=True)]
    return naive.convolution(x, w, b, *pairs, group=layer.group)


@pytest.mark.parametrize("bias_term", [True, False])
@pytest.mark.parametrize(("shape", "fields"), GROUPS.values(), ids=GROUPS)
def test_definition_and_gradients(
    shape: tuple[int, int, int, int], fields: dict[str, Any], bias_term: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gradients by their definitions: x and w enter a product once, so that each basis would give what two draws do."""
    layer, x = layer_of(shape, bias_term=bias_term, **fields), blob(*shape)
    monkeypatch.setattr(Convolution, "way", lambda self, conv: Grouped())
    assert Grouped().fits(layer.plain(shape))
    params = random_params(layer, [x])
    v, u, others = blob(*layer.top_shapes((shape,))[0], seed=3), blob(*shape, seed=2), random_params(layer, [x], seed=6)
    result = run_layer(layer, x, params=params, top_diffs=[v])
    wanted = defined(layer, x, params[0], params[1] if bias_term else None)
    np.testing.assert_allclose(result.tops[0], wanted, rtol=1e-12, atol=1e-12)
    dx, dw = result.bottom_diffs[0], result.param_diffs[0]
    assert dx is not None and dw is not None
    assert (dx * u).sum() == pytest.approx((v * defined(layer, u, params[0], None)).sum(), rel=1e-10)
    assert (dw * others[0]).sum() == pytest.approx((v * defined(layer, x, others[0], None)).sum(), rel=1e-10)


@pytest.mark.parametrize("case", ["groups of 4, more than a vector, not whole", "groups of 16 of stride 2"])
def test_threads_float32_and_adding(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Convolution, "way", lambda self, conv: Grouped())
    shape, fields = GROUPS[case]
    layer, x = layer_of(shape, **fields), blob(*shape)
    check_layer(layer, [x], params=random_params(layer, [x]))


def test_parts_that_share_the_channels_of_a_large_weight() -> None:
    shape = (2, 512, 17, 13)
    layer, x = layer_of(shape, group=32, kernel_size=3, pad=1), blob(*shape)
    way, conv = Grouped(), layer.plain(shape)
    assert isinstance(layer.way(conv), Grouped)
    (pieces, _), weight = way.weight_spaces(conv)["pieces"].shape, layer.param_shapes((shape,))[0]
    assert pieces < piece_count(conv)
    v = blob(*shape, seed=3)
    dw = run_layer(layer, x, params=random_params(layer, [x]), top_diffs=[v]).param_diffs[0]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    taps = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3)).reshape(2, 32, 16, 17, 13, 3, 3)
    wanted = np.einsum("ngchwuv,ngkhw->gkcuv", taps, v.reshape(2, 32, 16, 17, 13), optimize=True).reshape(weight)
    np.testing.assert_allclose(dw, wanted, rtol=1e-10, atol=1e-10)


def test_other_groups_go_other_ways() -> None:
    def way(channels: int, **fields: Any) -> type:
        shape = (1, channels, 9, 8)
        return type(layer_of(shape, kernel_size=3, **fields).way(layer_of(shape, kernel_size=3, **fields).plain(shape)))

    assert way(12, group=3) is Grouped
    assert way(9, group=3) is Direct  # three channels
    assert way(12, group=3, num_output=24) is Direct  # twice as many filters
    assert way(12, group=3, dilation=2) is Direct
    assert way(12, group=3, stride=3) is Direct
    assert way(32, group=2) is Grouped
    assert way(64, group=2) is Winograd
