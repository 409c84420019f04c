"""Deconvolution against its definition, Caffe's cases, the convolution that it transposes, and bilinear enlargement."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.receptive import NOTHING_SEEN, POINT
from netspec.core.shape import Shape, ShapeError
from netspec.fillers.bilinear import Bilinear
from netspec.layers.deconvolution import Deconvolution
from tests.helpers import naive
from tests.helpers.checks import Array, blob, forward, make_layer, random_params, run_layer
from tests.helpers.oracle import against


def deconv(**fields: Any) -> Deconvolution:
    layer = make_layer("Deconvolution", **fields)
    assert isinstance(layer, Deconvolution)
    return layer


def loops(layer: Deconvolution) -> Any:
    """The layer's definition, for each bottom."""

    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        x = bottoms[0].shape
        batch, c, spatial = layer.cut(x)
        bias = params[1] if layer.bias_term else None
        tops = [
            naive.spreading(b.reshape(-1, c, *spatial), params[0], bias, layer.windows(x), layer.group) for b in bottoms
        ]
        return [top.reshape(*batch, *top.shape[1:]) for top in tops]

    return oracle


def in_torch(layer: Deconvolution, number: int) -> Any:
    def run(bottoms: list[Any], params: list[Any]) -> list[Any]:
        from torch.nn import functional

        call = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[number - 1]
        windows = layer.windows(tuple(bottoms[0].shape))
        stride, pad, dilation = (tuple(one[i] for one in windows) for i in (1, 2, 3))
        bias = params[1] if layer.bias_term else None
        return [call(x, params[0], bias, stride, pad, 0, layer.group, dilation) for x in bottoms]

    return run


CASES: dict[str, tuple[str, Shape, dict[str, Any]]] = {
    "plain": ("Direct", (2, 3, 6, 5), {"num_output": 4, "kernel_size": 3}),
    "strided": ("Direct", (2, 3, 4, 5), {"num_output": 2, "kernel_size": 4, "stride": 2, "pad": 1}),
    "more stride than window": ("Direct", (2, 3, 4, 5), {"num_output": 2, "kernel_size": 2, "stride": 3}),
    "scattered": ("Direct", (9, 19, 5, 4), {"num_output": 3, "kernel_size": 4, "stride": 2, "pad": 1}),
    "pixels": ("Direct", (2, 3, 4, 5), {"num_output": 7, "kernel_size": 1}),
    "pixels apart": ("Direct", (2, 3, 4, 5), {"num_output": 7, "kernel_size": 1, "stride": 2}),
    "dilated in groups": (
        "Direct",
        (2, 4, 5, 7),
        {"num_output": 6, "kernel_size": [3, 2], "stride": [2, 1], "pad": [0, 1], "dilation": [2, 1], "group": 2},
    ),
    "unbiased": ("Direct", (2, 3, 4, 5), {"num_output": 2, "kernel_size": 3, "bias_term": False}),
    "a filter a channel": ("Depthwise", (2, 5, 4, 3), {"num_output": 5, "group": 5, "kernel_size": 4, "stride": 2}),
    "groups of few channels": ("Grouped", (2, 12, 5, 7), {"num_output": 12, "group": 3, "kernel_size": 3, "pad": 1}),
    "by minimal filtering": ("Winograd", (2, 17, 5, 7), {"num_output": 16, "kernel_size": 3, "pad": 1}),
    "line": ("Direct", (2, 3, 9), {"num_output": 4, "kernel_size": 3, "stride": 2, "pad": 1}),
    "volume": (
        "Direct",
        (2, 4, 3, 5, 6),
        {"num_output": 6, "kernel_size": [2, 3, 1], "stride": [2, 1, 2], "pad": [1, 0, 0], "group": 2},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_definition_and_derivatives(case: str) -> None:
    way, shape, fields = CASES[case]
    layer = deconv(**fields)
    assert type(layer.way(layer.plain(shape))).__name__ == way
    against(loops(layer), layer, [blob(*shape)], in_torch=in_torch(layer, len(shape) - 2))


def test_any_axis_and_several_bottoms() -> None:
    layer = deconv(num_output=2, axis=2, kernel_size=3, bottom=["a", "b"], top=["c", "d"])
    against(loops(layer), layer, [blob(2, 5, 3, 4), blob(2, 5, 3, 4, seed=2)])
    image = deconv(num_output=2, kernel_size=3, stride=2, bottom=["a", "b"], top=["c", "d"])
    against(loops(image), image, [blob(2, 3, 4, 5), blob(2, 3, 4, 5, seed=2)], in_torch=in_torch(image, 2))
    point = deconv(num_output=2, axis=1, kernel_size=1)
    against(loops(point), point, [blob(4, 3)])


def test_caffe_numbers() -> None:
    """Ones through ones: as many windows as meet, times 3 channels, plus the bias."""
    layer = deconv(num_output=4, kernel_size=3, stride=2, bottom=["a", "b"], top=["c", "d"])
    x, params = np.ones((2, 3, 6, 4)), [np.ones((3, 4, 3, 3)), np.full(4, 0.1)]
    tops = forward(layer, x, x, params=params)
    down, across = np.ones(13), np.ones(9)
    down[2:-1:2], across[2:-1:2] = 2, 2
    for y in tops:
        assert y.shape == (2, 4, 13, 9)
        np.testing.assert_allclose(y, np.broadcast_to(3 * np.outer(down, across) + 0.1, y.shape), rtol=1e-12)
        assert {round(float(v), 6) for v in y.ravel()} == {12.1, 6.1, 3.1}


@pytest.mark.parametrize("shape", [(2, 4, 7, 6), (2, 4, 9), (2, 4, 3, 5, 6)])
def test_it_is_the_transpose_of_a_convolution(shape: Shape) -> None:
    """The sum of conv(x) * y is that of x * deconv(y), with one weight."""
    fields = {"kernel_size": 3, "stride": 2, "pad": 1, "bias_term": False}
    conv = make_layer("Convolution", num_output=6, **fields)
    x = blob(*(size + (size + 1) % 2 if i > 1 else size for i, size in enumerate(shape)))  # odd: no window is left over
    (w,) = random_params(conv, [x])
    (top,) = conv.top_shapes((x.shape,))
    y = blob(*top, seed=2)
    (back,) = forward(deconv(num_output=4, **fields), y, params=[w])
    assert back.shape == x.shape
    assert (forward(conv, x, params=[w])[0] * y).sum() == pytest.approx((x * back).sum(), rel=1e-10)


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_bilinear_enlargement(factor: int) -> None:
    """The recipe enlarges a plane that rises evenly into one that does, away from the border."""
    size, channels = 2 * factor - factor % 2, 3
    fields = {"num_output": channels, "group": channels, "kernel_size": size, "stride": factor}
    layer = deconv(**fields, pad=-(-(factor - 1) // 2), bias_term=False, weight_filler={"type": "bilinear"})
    (shape,) = layer.param_shapes(((2, channels, 5, 6),))
    w = Bilinear().fill(shape, np.random.default_rng(1))
    rows, columns = np.arange(5.0)[:, None], np.arange(6.0)
    x = np.broadcast_to(3 * rows + columns, (2, channels, 5, 6)) * np.arange(1.0, channels + 1)[:, None, None]
    (y,) = forward(layer, x, params=[w])
    assert y.shape == (2, channels, 5 * factor, 6 * factor)
    inner = y[:, :, factor:-factor, factor:-factor]
    step = np.arange(1.0, channels + 1)[:, None, None] / factor
    np.testing.assert_allclose(np.diff(inner, axis=3), np.broadcast_to(step, np.diff(inner, axis=3).shape), rtol=1e-6)
    np.testing.assert_allclose(
        np.diff(inner, axis=2), np.broadcast_to(3 * step, np.diff(inner, axis=2).shape), rtol=1e-6
    )


def test_nan_and_infinity_reach_their_windows() -> None:
    layer, x = deconv(num_output=2, kernel_size=2, stride=2, bias_term=False), blob(1, 3, 4, 5)
    x[0, 1, 2, 3], x[0, 0, 0, 1] = np.nan, np.inf
    (y,) = forward(layer, x, params=[np.ones((3, 2, 2, 2))])
    assert np.isnan(y[0, :, 4:6, 6:8]).all()
    assert np.isposinf(y[0, :, :2, 2:4]).all()
    assert np.isfinite(y).sum() == y.size - 2 * 2 * 4


def test_costs_and_fields() -> None:
    layer, x = deconv(num_output=32, kernel_size=4, stride=2, pad=1), (8, 64, 16, 12)
    (top,) = layer.top_shapes((x,))
    assert top == (8, 32, 32, 24)
    assert layer.shape_arithmetic((x,)) == "2*(16-1)+4-2*1 = 32, 2*(12-1)+4-2*1 = 24"
    assert layer.param_shapes((x,)) == ((64, 32, 4, 4), (32,))
    assert layer.param_arithmetic((x,)) == "4*4*64*32+32 = 32800"
    assert layer.macs((x,), (top,)) == 8 * 16 * 12 * 64 * 32 * 16
    assert layer.receptive_field((x,), (POINT,)).over(top) == ((2, 2), (0.5, 0.5), (-0.75, -0.75))
    grouped = deconv(num_output=6, group=3, kernel_size=[3, 2], bias_term=False)
    assert grouped.param_arithmetic(((1, 9, 5, 4),)) == "3*2*9*6/3 = 108"
    (line,) = deconv(num_output=2, kernel_size=3).receptive_field(((2, 4, 9),), (NOTHING_SEEN,)).axes
    assert [tuple(path) for path in line] == [(1, -2, 0)]


def test_a_convolution_sees_through_a_deconvolution() -> None:
    """Each pixel of a 2x enlargement sees one pixel; a 3x3 window of those sees two."""
    up = deconv(num_output=4, kernel_size=2, stride=2).receptive_field(((1, 4, 5, 6),), (POINT,))
    assert up.over((1, 4, 10, 12)).size == (1, 1)
    seen = make_layer("Convolution", num_output=4, kernel_size=3).receptive_field(((1, 4, 10, 12),), (up,))
    assert seen.over((1, 4, 8, 10)).size == (2, 2)


@pytest.mark.parametrize(
    ("fields", "shape", "field", "words"),
    [
        ({"kernel_size": 3, "pad": 4}, (2, 3, 2, 7), "pad", "takes away all"),
        ({"kernel_h": 3, "kernel_w": 3, "pad_h": 4, "pad_w": 0}, (2, 3, 2, 7), "pad_h", "takes away all"),
        ({"kernel_size": 3, "group": 2}, (2, 3, 5, 4), "group", "the 3 channels"),
        ({"kernel_size": [3, 2]}, (2, 3, 5), "kernel_size", "2 axes"),
        ({"kernel_size": 3}, (3,), "bottom.0", "reads N x C"),
        ({"kernel_size": 3, "engine": "WINOGRAD"}, (2, 3, 5, 4), "engine", "WINOGRAD is for"),
    ],
)
def test_refused_shapes(fields: dict[str, Any], shape: Shape, field: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words) as caught:
        deconv(num_output=4, **fields).top_shapes((shape,))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "fields",
    [
        {"num_output": 4},
        {"num_output": 0, "kernel_size": 3},
        {"num_output": 4, "kernel_size": 0},
        {"num_output": 4, "kernel_size": 3, "stride": 0},
        {"num_output": 4, "kernel_size": 3, "pad": -1},
        {"num_output": 4, "kernel_size": 3, "dilation": 0},
        {"num_output": 4, "kernel_size": 3, "group": 0},
        {"num_output": 5, "kernel_size": 3, "group": 2},
    ],
)
def test_refused_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        deconv(**fields)


def test_bits_repeat_from_run_to_run() -> None:
    layer, x = deconv(num_output=3, kernel_size=4, stride=2, pad=1), blob(2, 5, 4, 3)
    params, v = random_params(layer, [x]), blob(2, 3, 8, 6, seed=3)
    one, two = (run_layer(layer, x, params=params, top_diffs=[v], dtype="float32") for _ in range(2))
    assert one.tops[0].tobytes() == two.tops[0].tobytes()
    assert one.param_diffs[0] is not None
    assert two.param_diffs[0] is not None
    assert one.param_diffs[0].tobytes() == two.param_diffs[0].tobytes()
