"""Upsample against sums by loops and PyTorch's interpolate."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from netspec.core.receptive import POINT
from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, make_layer, run_layer
from tests.helpers.oracle import against


def upsample(**fields: Any) -> Any:
    return make_layer("Upsample", **fields)


def keys(t: float) -> float:
    """Keys' cubic kernel with a = -3/4, from its two polynomials."""
    a, t = -0.75, abs(t)
    if t <= 1:
        return (a + 2) * t**3 - (a + 3) * t**2 + 1
    return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0


def line(x: Array, new: int, mode: str, align: bool, step: float) -> Array:
    """A row (M,) made anew, value by value."""
    m, y = len(x), np.zeros(new)
    for i in range(new):
        s = i * (m - 1) / (new - 1) if align and new > 1 else 0.0 if align else (i + 0.5) * step - 0.5
        if mode == "nearest":
            y[i] = x[min(math.floor(i * step), m - 1)]
        elif mode == "bilinear":
            s = min(max(s, 0.0), m - 1.0)
            y[i] = sum(x[k] * max(0.0, 1 - abs(s - k)) for k in range(m))
        else:
            k = math.floor(s)
            y[i] = sum(x[min(max(j, 0), m - 1)] * keys(s - j) for j in range(k - 1, k + 3))
    return y


def by_lines(x: Array, mode: str, fields: dict[str, Any]) -> Array:
    for axis in range(2, x.ndim):
        given = fields.get("size", fields.get("scale_factor"))
        value = given[axis - 2] if isinstance(given, list) else given
        m = x.shape[axis]
        new = int(value) if "size" in fields else math.floor(m * value)
        step = m / new if "size" in fields else 1 / value
        x = np.apply_along_axis(line, axis, x, new, mode, fields.get("align_corners", False), step)
    return x


CASES: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 4, 5), {"scale_factor": 2}),
    ((2, 3, 4, 5), {"scale_factor": [1.5, 2.5]}),
    ((2, 3, 7, 5), {"scale_factor": 0.5}),
    ((2, 5, 4, 3), {"size": [7, 8]}),
    ((2, 5, 7, 6), {"size": [3, 11]}),
    ((2, 3, 4, 1), {"size": [1, 5]}),
    ((2, 3, 6), {"scale_factor": 2}),
    ((1, 2, 3, 4, 5), {"size": [5, 3, 7]}),
]


@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize(("shape", "fields"), CASES, ids=str)
def test_definition(mode: str, align: bool, shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    if align and mode == "nearest":
        pytest.skip("nearest has no align_corners")
    fields = fields | {"align_corners": align}
    names = {("bilinear", 3): "linear", ("bilinear", 5): "trilinear"}
    known = mode != "bicubic" or len(shape) == 4

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch

        kind = names.get((mode, len(shape)), mode)
        corners = None if mode == "nearest" else align
        given = {key: value for key, value in fields.items() if key != "align_corners"}
        return [torch.nn.functional.interpolate(bottoms[0], mode=kind, align_corners=corners, **given)]

    layer = upsample(mode=mode, **fields)
    against(lambda b, _: [by_lines(b[0], mode, fields)], layer, [blob(*shape)], in_torch=in_torch if known else None)


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
def test_a_large_image(mode: str, layout: str) -> None:
    """Many parts; backward is the exact transpose."""
    x, v = blob(3, 17, 20, 21), np.random.default_rng(1).standard_normal((3, 17, 40, 42))
    result = run_layer(upsample(mode=mode, scale_factor=2), x, top_diffs=[v], layout=layout)
    np.testing.assert_allclose(result.tops[0], by_lines(x, mode, {"scale_factor": 2}), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose((result.bottom_diffs[0] * x).sum(), (v * result.tops[0]).sum(), rtol=1e-11)


@given(
    sizes=st.tuples(st.integers(1, 7), st.integers(1, 9)),
    mode=st.sampled_from(["nearest", "bilinear", "bicubic"]),
    align=st.booleans(),
)
def test_constants_stay(sizes: tuple[int, int], mode: str, align: bool) -> None:
    """Weights add up to 1, and so each old value's shares in a shrunk image add up to no more than it has pixels."""
    x = np.full((1, 2, sizes[0], 3), 2.5)
    layer = upsample(mode=mode, size=[sizes[1], 4], align_corners=align and mode != "nearest")
    result = run_layer(layer, x, top_diffs=[np.ones((1, 2, sizes[1], 4))])
    np.testing.assert_allclose(result.tops[0], 2.5, rtol=1e-14)
    np.testing.assert_allclose(result.bottom_diffs[0].sum(), 2 * sizes[1] * 4, rtol=1e-13)


def test_infinities_stay_where_they_are() -> None:
    x = np.zeros((1, 1, 1, 4))
    x[..., 1] = np.inf
    result = run_layer(upsample(mode="bilinear", scale_factor=[1, 2]), x)
    np.testing.assert_array_equal(result.tops[0], [[[[0, np.inf, np.inf, np.inf, np.inf, 0, 0, 0]]]])


def test_arithmetic_and_fields_of_view() -> None:
    layer, x = upsample(scale_factor=2), (2, 3, 5, 4)
    assert layer.shape_arithmetic((x,)) == "5*2 = 10, 4*2 = 8"
    assert upsample(scale_factor=1.5).shape_arithmetic(((2, 3, 5, 5),)) == "floor(5*1.5) = 7"
    assert upsample(size=3).shape_arithmetic((x,)) == ""
    region = upsample(mode="bilinear", scale_factor=2).receptive_field((x,), [POINT]).over((2, 3, 10, 8))
    assert (region.size, region.stride) == ((2, 2), (0.5, 0.5))


@pytest.mark.parametrize(
    ("fields", "shape", "field", "words"),
    [
        ({"scale_factor": 2}, (2, 3), "bottom.0", "N x C x H x W"),
        ({"scale_factor": [2, 2, 2]}, (2, 3, 4, 5), "scale_factor", "for 3 axes, but .* 2 spatial axes"),
        ({"size": [2, 2]}, (2, 3, 4), "size", "for 2 axes, but .* 1 spatial axis"),
        ({"scale_factor": 0.2}, (2, 3, 4, 5), "scale_factor", "leaves nothing"),
    ],
)
def test_refused_shapes(fields: dict[str, Any], shape: tuple[int, ...], field: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words) as caught:
        upsample(**fields).top_shapes((shape,))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"size": 2, "scale_factor": 2},
        {"scale_factor": 0},
        {"scale_factor": float("inf")},
        {"size": 0},
        {"scale_factor": 2, "align_corners": True},
        {"scale_factor": 2, "mode": "area"},
    ],
)
def test_refused_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        upsample(**fields)
