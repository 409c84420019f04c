"""Convolution against its definition, Caffe's cases, and the shapes of known nets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from netspec.core.calls import Run
from netspec.core.shape import ShapeError, convolved
from netspec.layers.base import Layer
from netspec.layers.convolution import Convolution
from netspec.lowering.conv import Way
from netspec.lowering.conv_depthwise import Depthwise
from netspec.lowering.conv_direct import Direct
from netspec.lowering.conv_grouped import Grouped
from netspec.lowering.conv_winograd import Winograd
from tests.helpers import naive
from tests.helpers.checks import blob, check_layer, forward, make_layer, random_params, run_layer
from tests.helpers.oracle import against


def conv(**fields: Any) -> Layer:
    return make_layer("Convolution", **fields)


def way_of(shape: tuple[int, ...], **fields: Any) -> Way:
    layer = conv(**fields)
    assert isinstance(layer, Convolution)
    return layer.way(layer.plain(shape))


CASES: dict[str, tuple[tuple[int, int, int, int], dict[str, Any]]] = {
    "plain": ((2, 3, 6, 5), {"num_output": 4, "kernel_size": 3}),
    "1x1": ((2, 3, 5, 4), {"num_output": 6, "kernel_size": 1}),
    "strided": ((2, 3, 9, 6), {"num_output": 4, "kernel_size": 3, "stride": 2, "pad": 1}),
    "rectangular": (
        (2, 3, 7, 8),
        {"num_output": 5, "kernel_h": 4, "kernel_w": 1, "stride_h": 1, "stride_w": 3, "pad_h": 2, "pad_w": 0},
    ),
    "padded across alone": ((2, 3, 6, 4), {"num_output": 4, "kernel_h": 3, "kernel_w": 2, "pad_w": 1}),
    "dilated": ((1, 2, 9, 8), {"num_output": 3, "kernel_size": [3, 2], "dilation": [2, 3], "pad": [1, 2]}),
    "grouped": ((2, 6, 5, 4), {"num_output": 9, "kernel_size": 3, "group": 3, "pad": 1}),
    "depthwise": ((2, 5, 6, 4), {"num_output": 5, "kernel_size": 3, "group": 5, "stride": 2}),
    "unbiased": ((2, 3, 6, 5), {"num_output": 4, "kernel_size": 3, "bias_term": False}),
    "filter wider than the image": ((2, 1, 3, 2), {"num_output": 4, "kernel_size": 5, "pad": 2}),
}


def expected(x: np.ndarray, layer: Any, params: list[np.ndarray]) -> np.ndarray:
    (_, sh, ph, dh), (_, sw, pw, dw) = layer.windows(x.shape)
    return naive.convolution(
        x, params[0], params[1] if layer.bias_term else None, (sh, sw), (ph, pw), (dh, dw), layer.group
    )


@pytest.mark.parametrize("case", CASES)
def test_definition_and_derivatives(case: str) -> None:
    shape, fields = CASES[case]
    layer: Any = conv(**fields)
    (_, *rows), (_, *columns) = layer.windows(shape)

    def oracle(bottoms: list[Any], params: list[Any]) -> list[Any]:
        return [expected(bottoms[0], layer, params)]

    def in_torch(bottoms: list[Any], params: list[Any]) -> list[Any]:
        from torch.nn import functional

        bias = params[1] if layer.bias_term else None
        return [functional.conv2d(bottoms[0], params[0], bias, *zip(rows, columns, strict=True), layer.group)]

    against(oracle, layer, [blob(*shape)], in_torch=in_torch)


@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    pad=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    dilation=st.tuples(st.integers(1, 3), st.integers(1, 3)),
)
def test_any_window(size: Any, kernel: Any, stride: Any, pad: Any, dilation: Any) -> None:
    layer = conv(num_output=3, kernel_size=kernel, stride=stride, pad=pad, dilation=dilation)
    x = blob(2, 2, *size)
    try:
        layer.top_shapes((x.shape,))
    except ShapeError:
        extents = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
        assert any(e >= length + 2 * p + s for e, length, p, s in zip(extents, size, pad, stride, strict=True))
        return
    params = random_params(layer, [x])
    y = expected(x, layer, params)
    v = blob(*y.shape, seed=2)
    result = run_layer(layer, x, params=params, top_diffs=[v])
    np.testing.assert_allclose(result.tops[0], y, rtol=1e-12, atol=1e-12)
    # y is linear in x and in w: the gradient along x is x . dx = v . (y - b), and the same along w
    plain = (v * (y - params[1][:, None, None])).sum()
    np.testing.assert_allclose(
        [(x * result.bottom_diffs[0]).sum(), (params[0] * result.param_diffs[0]).sum()], plain, rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(result.param_diffs[1], v.sum((0, 2, 3)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("channels", "filters", "size", "stride"),
    [
        (1024, 70, (7, 5), (1, 1)),
        (70, 1024, (7, 5), (2, 3)),
        (600, 37, (9, 8), (3, 2)),
        (21, 530, (15, 13), (2, 1)),
        (8, 5, (4, 3), (2, 3)),  # lines of one pixel
        (24, 7, (6, 1), (1, 2)),
        (9, 20, (6, 2), (2, 2)),
    ],
)
def test_one_tap_of_many_channels(channels: int, filters: int, size: Any, stride: Any) -> None:
    # more channels than are multiplied at a time, rows that share the lines of a cache, pixels between that become 0
    layer, x = conv(num_output=filters, kernel_size=1, stride=stride), blob(2, channels, *size)
    w, b = random_params(layer, [x])
    seen = x[:, :, :: stride[0], :: stride[1]]
    y = np.einsum("ncij,kc->nkij", seen, w[:, :, 0, 0]) + b[:, None, None]
    v = blob(*y.shape, seed=3)
    result = run_layer(layer, x, params=[w, b], top_diffs=[v])
    np.testing.assert_allclose(result.tops[0], y, rtol=1e-11, atol=1e-11)
    dx = np.zeros_like(x)
    dx[:, :, :: stride[0], :: stride[1]] = np.einsum("nkij,kc->ncij", v, w[:, :, 0, 0])
    np.testing.assert_allclose(result.bottom_diffs[0], dx, rtol=1e-11, atol=1e-11)
    dw = np.einsum("nkij,ncij->kc", v, seen)
    np.testing.assert_allclose(result.param_diffs[0][:, :, 0, 0], dw, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("group", [1, 2])
def test_more_than_a_tile_a_block_and_a_part(group: int) -> None:
    layer, x = conv(num_output=6, kernel_size=3, pad=1, group=group), blob(3, 64, 27, 23)
    params = random_params(layer, [x])
    check_layer(layer, [x], params=params)
    v = blob(3, 6, 27, 23, seed=4)
    result = run_layer(layer, x, params=params, top_diffs=[v])
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    taps = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3)).reshape(
        3, group, 64 // group, 27, 23, 3, 3
    )
    filters = params[0].reshape(group, 6 // group, 64 // group, 3, 3)
    y = np.einsum("ngchwuv,gkcuv->ngkhw", taps, filters).reshape(3, 6, 27, 23) + params[1][:, None, None]
    np.testing.assert_allclose(result.tops[0], y, rtol=1e-10, atol=1e-10)
    wanted = np.einsum("ngchwuv,ngkhw->gkcuv", taps, v.reshape(3, group, 6 // group, 27, 23))
    np.testing.assert_allclose(result.param_diffs[0], wanted.reshape(params[0].shape), rtol=1e-9, atol=1e-9)


def test_sobel_is_separable() -> None:
    """Caffe's test: the Sobel filter equals (1 2 1) down, then (-1 0 1) across."""
    x = blob(2, 3, 6, 4)
    whole = np.tile(np.outer([1.0, 2, 1], [-1.0, 0, 1]), (1, 3, 1, 1))
    (y,) = forward(conv(num_output=1, kernel_size=3, stride=2, bias_term=False), x, params=[whole])
    down = np.tile(np.array([1.0, 2, 1]).reshape(3, 1), (1, 3, 1, 1))
    (half,) = forward(
        conv(num_output=1, kernel_h=3, kernel_w=1, stride_h=2, stride_w=1, bias_term=False), x, params=[down]
    )
    across = np.array([-1.0, 0, 1]).reshape(1, 1, 1, 3)
    (z,) = forward(
        conv(num_output=1, kernel_h=1, kernel_w=3, stride_h=1, stride_w=2, bias_term=False), half, params=[across]
    )
    np.testing.assert_allclose(y, z, rtol=1e-12, atol=1e-12)


def test_caffe_shapes() -> None:
    layer = conv(num_output=4, kernel_size=3, stride=2)
    assert layer.top_shapes(((2, 3, 6, 4),)) == ((2, 4, 2, 1),)
    assert conv(num_output=3, kernel_size=3, stride=2, group=3).top_shapes(((2, 3, 6, 4),)) == ((2, 3, 2, 1),)
    sizes = {
        (224, 7, 2, 3, 1): 112,
        (227, 11, 4, 0, 1): 55,
        (28, 3, 2, 1, 1): 14,
        (10, 3, 2, 0, 3): 2,
        (11, 3, 2, 0, 3): 3,
    }
    for window, size in sizes.items():
        assert convolved(*window) == size


def test_published_costs() -> None:
    """LeNet's conv1 and AlexNet's conv2, which has two groups."""
    lenet = conv(num_output=20, kernel_size=5)
    x = ((64, 1, 28, 28),)
    assert lenet.shape_arithmetic(x) == "(28+2*0-5)/1+1 = 24"
    assert lenet.param_arithmetic(x) == "(5*5*1+1)*20 = 520"
    assert lenet.macs(x, lenet.top_shapes(x)) == 64 * 20 * 24 * 24 * 25
    alexnet = conv(num_output=256, kernel_size=5, pad=2, group=2)
    assert alexnet.param_shapes(((1, 96, 27, 27),)) == ((256, 48, 5, 5), (256,))
    assert alexnet.param_arithmetic(((1, 96, 27, 27),)) == "(5*5*96/2+1)*256 = 307456"


@pytest.mark.parametrize(
    ("fields", "shape", "field", "words"),
    [
        ({"kernel_size": 3}, (3,), "bottom.0", "reads N x C x spatial axes"),
        ({"kernel_size": 3, "group": 2}, (2, 3, 5, 4), "group", "the 3 channels"),
        ({"kernel_size": 6}, (2, 3, 5, 7), "kernel_size", "6 wide"),
        ({"kernel_h": 3, "kernel_w": 3, "dilation": 2}, (2, 3, 5, 4), "kernel_w", "5 wide"),
    ],
)
def test_refused_shapes(fields: dict[str, Any], shape: tuple[int, ...], field: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words) as caught:
        conv(num_output=4, **fields).top_shapes((shape,))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "fields",
    [
        {"num_output": 4},
        {"num_output": 4, "kernel_size": 3, "kernel_h": 3, "kernel_w": 3},
        {"num_output": 5, "kernel_size": 1, "group": 2},
    ],
)
def test_refused_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        conv(**fields)


def test_what_is_not_wanted_costs_no_work_and_testing_less_memory() -> None:
    layer, shapes = conv(num_output=4, kernel_size=3), ((2, 3, 6, 5),)
    train, test = layer.workspaces(shapes, True), layer.workspaces(shapes, False)
    assert set(test) < set(train)
    space = {name: np.zeros(w.shape) for name, w in train.items()}
    x, y, params = (
        np.zeros(shapes[0]),
        np.zeros(layer.top_shapes(shapes)[0]),
        tuple(random_params(layer, [blob(*shapes[0])])),
    )
    known = {
        "layout": "NHWC",
        "bottom_shapes": shapes,
        "top_shapes": layer.top_shapes(shapes),
        "bottom_add": (False,),
        "param_add": (True,) * 2,
    }
    frozen = Run("TRAIN", (x,), (y,), (None,), (y,), params, (None, None), np.zeros(2, np.int64), 1, space, **known)
    assert not list(layer.backward(frozen))


WAYS: dict[str, tuple[str, tuple[int, int, int, int], dict[str, Any]]] = {
    "tiles of few channels": ("WINOGRAD", (3, 16, 9, 7), {"num_output": 32, "kernel_size": 3, "pad": 1}),
    "tiles without padding, in groups": ("WINOGRAD", (1, 32, 6, 11), {"num_output": 64, "kernel_size": 3, "group": 2}),
    "tiles with twice the padding": ("WINOGRAD", (2, 48, 5, 4), {"num_output": 16, "kernel_size": 3, "pad": 2}),
    "frequencies of many channels": ("WINOGRAD", (2, 144, 5, 6), {"num_output": 160, "kernel_size": 3, "pad": 1}),
    "tiles of 5 x 5 filters": ("WINOGRAD", (2, 19, 6, 9), {"num_output": 36, "kernel_size": 5, "pad": 2}),
    "sent back": ("DIRECT", (9, 5, 12, 7), {"num_output": 19, "kernel_size": 5}),
    "sent back with a stride": ("DIRECT", (8, 3, 9, 11), {"num_output": 6, "kernel_size": 3, "stride": 2, "pad": 1}),
    "pixels": ("DIRECT", (3, 70, 6, 7), {"num_output": 37, "kernel_size": 1}),
    "many pixels far apart": ("DIRECT", (2, 33, 13, 11), {"num_output": 530, "kernel_size": 1}),
    "pixels in blocks and pieces, whose filters are shared": (
        "DIRECT",
        (5, 12, 19, 18),
        {"num_output": 70, "kernel_size": 1},
    ),
    "pixels in blocks and pieces, whose channels are shared": (
        "DIRECT",
        (3, 70, 23, 25),
        {"num_output": 9, "kernel_size": 1},
    ),
    "pixels of lines that lie apart": (
        "DIRECT",
        (29, 21, 8, 18),
        {"num_output": 40, "kernel_size": 1, "stride": [2, 3]},
    ),
    "single taps of odd images": ("DIRECT", (2, 21, 9, 8), {"num_output": 18, "kernel_size": 1, "stride": [2, 3]}),
    "deep windows in blocks of lines": (
        "DIRECT",
        (2, 40, 33, 31),
        {"num_output": 50, "kernel_size": 3, "stride": 2, "pad": 1},
    ),
    "groups of few channels": (
        "GROUPED",
        (2, 40, 9, 8),
        {"num_output": 40, "group": 10, "kernel_size": 3, "pad": 1, "stride": 2},
    ),
    "one filter a channel": (
        "DEPTHWISE",
        (2, 21, 9, 8),
        {"num_output": 21, "group": 21, "kernel_size": 3, "pad": 1, "stride": 2},
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_is_the_convolution(way: str) -> None:
    """Forward by its definition; both gradients through what they are for: y is linear in x and in w."""
    engine, shape, fields = WAYS[way]
    layer, x, u = conv(engine=engine, **fields), blob(*shape), blob(*shape, seed=2)
    params, others = random_params(layer, [x]), random_params(layer, [x], seed=6)
    assert way_of(shape, **fields) is way_of(shape, engine=engine, **fields)
    v = blob(*layer.top_shapes((shape,))[0], seed=3)
    result = run_layer(layer, x, params=params, top_diffs=[v])
    np.testing.assert_allclose(
        result.tops[0], expected(x, layer, params), rtol=1e-11, atol=1e-11 * np.abs(result.tops[0]).max()
    )
    none = np.zeros_like(params[1])
    dx, dw, db = result.bottom_diffs[0], result.param_diffs[0], result.param_diffs[1]
    assert dx is not None and dw is not None and db is not None
    assert (dx * u).sum() == pytest.approx((v * expected(u, layer, [params[0], none])).sum(), rel=1e-10)
    assert (dw * others[0]).sum() == pytest.approx((v * expected(x, layer, [others[0], none])).sum(), rel=1e-10)
    np.testing.assert_allclose(db, v.sum((0, 2, 3)), rtol=1e-10)


def test_an_engine_that_does_not_fit_is_an_error_at_its_place() -> None:
    with pytest.raises(ShapeError) as error:
        conv(num_output=5, kernel_size=3, engine="WINOGRAD").top_shapes(((2, 3, 9, 7),))
    assert error.value.field == "engine"
    assert "at least 16 channels" in error.value.message


def test_the_ways_are_chosen_by_shapes() -> None:
    shape = (2, 64, 9, 7)
    assert isinstance(way_of(shape, num_output=32, kernel_size=3), Winograd)
    assert isinstance(way_of(shape, num_output=32, kernel_size=3, stride=2), Direct)
    assert isinstance(way_of(shape, num_output=12, kernel_size=3), Direct)
    assert isinstance(way_of(shape, num_output=64, kernel_size=3, group=16), Grouped)
    assert isinstance(way_of(shape, num_output=64, kernel_size=3, group=64), Depthwise)
    assert isinstance(way_of(shape, num_output=128, kernel_size=3, group=64), Direct)


def test_winograd_is_as_exact_as_its_points_allow() -> None:
    """Lavin & Gray 2016 report errors of about 1e-5 of the largest value for F(4x4, 3x3) in float32.

    benchmarks/ measures the errors of these kernels.
    """
    x = blob(2, 64, 12, 11)
    layer = conv(num_output=48, kernel_size=3, pad=1)
    params = random_params(layer, [x])
    exact = forward(layer, x, params=params)[0]
    error = forward(layer, x, params=params, dtype="float32")[0] - exact
    assert np.sqrt((error**2).mean() / (exact**2).mean()) < 5e-6
