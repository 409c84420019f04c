"""Winograd's ways against the convolution's definition in float64 NumPy: both sizes, all pads, groups, any sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.codegen.geometry import MINIMAL
from netspec.kernels import far
from netspec.lowering import conv_winograd
from tests.helpers.checks import blob, make_layer, random_params, run_layer
from tests.helpers.convolved import by_definition, near

CASES = {
    **{f"{taps} x {taps}, pad {pad}": (taps, pad, (2, 32, 9, 7), 16, 1) for taps in MINIMAL for pad in range(taps)},
    "3 x 3, odd channels in groups": (3, 1, (1, 63, 6, 11), 54, 3),
    "5 x 5, odd channels in groups": (5, 2, (1, 63, 6, 11), 54, 3),
    "5 x 5, whole channels in groups": (5, 3, (2, 64, 13, 10), 32, 2),
    "3 x 3 of more values than are turned at a time": (3, 0, (1, 53, 5, 4), 37, 1),
    "3 x 3 in groups of several blocks": (3, 2, (1, 2 * 67, 5, 7), 2 * 98, 2),
    "5 x 5 of more values than are turned at a time": (5, 4, (3, 37, 1, 2), 53, 1),
}


@pytest.mark.parametrize("manner", ["each part alone", "all parts together", "few tiles together"])
@pytest.mark.parametrize("case", CASES)
def test_the_definition(case: str, manner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float64, and in float32 within 3e-5 of the largest value."""
    taps, pad, shape, filters, groups = CASES[case]
    if manner != "each part alone":
        monkeypatch.setattr(conv_winograd, "FEW", 0)
        monkeypatch.setattr(conv_winograd, "FEW_SUMMED", 0)
        monkeypatch.setattr(conv_winograd, "FEW_TILES", 0 if manner == "all parts together" else 10**6)
    fields: dict[str, Any] = {"num_output": filters, "kernel_size": taps, "pad": pad, "group": groups}
    layer, x = make_layer("Convolution", engine="WINOGRAD", **fields), blob(*shape)
    v = blob(*layer.top_shapes((shape,))[0], seed=3)
    w, bias = params = random_params(layer, [x])
    started, before = blob(*shape, seed=4), [blob(*p.shape, seed=5) for p in params]
    y, dx, dw = by_definition(x, w, v, pad, groups)
    wanted = (y + bias[:, None, None], dx + started, dw + before[0])
    for dtype, bound in (("float64", 1e-12), ("float32", 3e-5)):
        options: dict[str, Any] = {"params": params, "top_diffs": [v], "param_diffs": before, "dtype": dtype}
        result = run_layer(layer, x, bottom_starts=[started], **options)
        for found, right in zip((result.tops[0], result.bottom_diffs[0], result.param_diffs[0]), wanted, strict=True):
            near(found, right, bound)


def test_a_weight_diff_is_overwritten_where_that_is_asked() -> None:
    layer, x = make_layer("Convolution", engine="WINOGRAD", num_output=21, kernel_size=5), blob(2, 16, 6, 9)
    v, params = blob(2, 21, 2, 5, seed=3), random_params(layer, [x])
    dw = run_layer(layer, x, params=params, top_diffs=[v], store=True).param_diffs[0]
    near(dw, by_definition(x, params[0], v, 0, 1)[2], 1e-12)


@pytest.mark.parametrize("few", [0, 10**6])
def test_a_weight_diff_that_is_far_is_written_past_the_caches(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conv_winograd, "FEW_SUMMED", 0)
    monkeypatch.setattr(conv_winograd, "FEW_TILES", few)
    layer, x = make_layer("Convolution", engine="WINOGRAD", num_output=128, kernel_size=3, pad=1), blob(1, 122, 5, 7)
    v, params = blob(1, 128, 5, 7, seed=3), random_params(layer, [x])
    assert 4 * params[0].size > far.GRADIENT
    for dtype, bound in (("float64", 1e-12), ("float32", 3e-5)):
        dw = run_layer(layer, x, params=params, top_diffs=[v], store=True, dtype=dtype).param_diffs[0]
        near(dw, by_definition(x, params[0], v, 1, 1)[2], bound)


def test_what_is_not_finite_stays_where_it_is() -> None:
    """A NaN in an image reaches no other image, an infinity in a filter no other filter."""
    layer, x = make_layer("Convolution", engine="WINOGRAD", num_output=19, kernel_size=5, pad=2), blob(3, 17, 5, 6)
    x[1, 4, 2, 3] = np.nan
    params = random_params(layer, [x])
    found = run_layer(layer, x, params=params).tops[0]
    assert np.isnan(found[1]).any() and not np.isnan(found[[0, 2]]).any()
    params[0][7, 3, 1, 1] = np.inf
    found = run_layer(layer, blob(3, 17, 5, 6), params=params).tops[0]
    assert not np.isfinite(found[:, 7]).any() and np.isfinite(np.delete(found, 7, 1)).all()
