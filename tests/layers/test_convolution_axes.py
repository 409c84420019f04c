"""Convolution of lines, volumes and single points, along any axis, and of several bottoms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.receptive import NOTHING_SEEN, POINT
from netspec.core.shape import Shape, ShapeError
from netspec.layers.convolution import Convolution
from netspec.lowering import conv_planes
from tests.helpers import naive
from tests.helpers.checks import Array, blob, forward, make_layer, random_params, run_layer
from tests.helpers.oracle import against


def conv(**fields: Any) -> Convolution:
    layer = make_layer("Convolution", **fields)
    assert isinstance(layer, Convolution)
    return layer


def loops(layer: Convolution) -> Any:
    """The layer's definition, for each bottom."""

    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        x = bottoms[0].shape
        batch, c, spatial = layer.cut(x)
        bias = params[1] if layer.bias_term else None
        tops = [
            naive.correlation(b.reshape(-1, c, *spatial), params[0], bias, layer.windows(x), layer.group)
            for b in bottoms
        ]
        return [top.reshape(*batch, *top.shape[1:]) for top in tops]

    return oracle


def in_torch(layer: Convolution, number: int) -> Any:
    def run(bottoms: list[Any], params: list[Any]) -> list[Any]:
        from torch.nn import functional

        call = (functional.conv1d, functional.conv2d, functional.conv3d)[number - 1]
        windows = layer.windows(tuple(bottoms[0].shape))
        measures = [tuple(one[i] for one in windows) for i in (1, 2, 3)]
        bias = params[1] if layer.bias_term else None
        return [call(x, params[0], bias, *measures, layer.group) for x in bottoms]

    return run


CASES: dict[str, tuple[Shape, dict[str, Any]]] = {
    "line": ((2, 3, 9), {"num_output": 4, "kernel_size": 3, "stride": 2, "pad": 1}),
    "line, dilated": ((2, 4, 11), {"num_output": 6, "kernel_size": 2, "dilation": 3, "group": 2, "bias_term": False}),
    "line, a filter a channel": ((2, 5, 7), {"num_output": 5, "kernel_size": 3, "group": 5}),
    "volume": ((2, 3, 4, 6, 5), {"num_output": 4, "kernel_size": 3, "pad": 1}),
    "volume of everything": (
        (2, 4, 5, 7, 6),
        {"num_output": 6, "kernel_size": [2, 3, 1], "stride": [2, 1, 2], "pad": [1, 0, 1], "dilation": [1, 2, 1]}
        | {"group": 2},
    ),
    "volume by minimal filtering": ((2, 6, 3, 5, 7), {"num_output": 16, "kernel_size": 3, "pad": 1}),
    "volume, a filter a channel": ((2, 3, 4, 5, 6), {"num_output": 3, "kernel_size": 2, "group": 3}),
    "volume of pixels": ((2, 3, 4, 5, 6), {"num_output": 7, "kernel_size": 1}),
    "volume of pixels apart": ((2, 3, 4, 7, 5), {"num_output": 4, "kernel_size": 1, "stride": 2, "pad": [1, 0, 0]}),
    "images one behind the other": ((2, 3, 4, 5, 6), {"num_output": 2, "kernel_size": [1, 3, 2], "stride": [2, 1, 1]}),
}


@pytest.mark.parametrize("case", CASES)
def test_definition_and_derivatives(case: str) -> None:
    shape, fields = CASES[case]
    layer = conv(**fields)
    against(loops(layer), layer, [blob(*shape)], in_torch=in_torch(layer, len(shape) - 2))


BESIDE: dict[str, tuple[Shape, dict[str, Any]]] = {
    "points, axis 3": ((2, 3, 4, 5), {"num_output": 6, "axis": 3}),
    "points, axis -1": ((4, 5), {"num_output": 3, "axis": -1, "bias_term": False}),
    "points with a size": ((4, 5), {"num_output": 3, "kernel_size": 3}),
    "lines, axis 2": ((2, 3, 4, 7), {"num_output": 5, "axis": 2, "kernel_size": 3, "pad": 1}),
    "images, axis 0": ((4, 7, 5), {"num_output": 3, "axis": 0, "kernel_size": [3, 2]}),
    "images, axis -3": ((2, 4, 7, 5), {"num_output": 3, "axis": -3, "kernel_size": 2}),
    "four axes": ((2, 3, 3, 2, 4, 5), {"num_output": 2, "kernel_size": 2, "pad": [1, 0, 0, 1]}),
}


@pytest.mark.parametrize("case", BESIDE)
def test_any_axis_may_hold_the_channels(case: str) -> None:
    shape, fields = BESIDE[case]
    layer = conv(**fields)
    against(loops(layer), layer, [blob(*shape)])


def test_a_few_images_are_taken_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x = conv(num_output=4, kernel_size=[2, 3, 1], pad=1), blob(6, 3, 4, 5, 2)
    monkeypatch.setattr(conv_planes, "MOST", 2 * 4 * 5 * 5 * 4)  # two images of the top
    assert layer.planes(x.shape).chunks == 3
    against(loops(layer), layer, [x])


def test_several_bottoms_share_the_filters() -> None:
    """Caffe's first test: two bottoms 2x3x6x4, and gradients that are the sum of both."""
    layer = conv(num_output=4, kernel_size=3, stride=2, bottom=["a", "b"], top=["c", "d"])
    first, second = blob(2, 3, 6, 4), blob(2, 3, 6, 4, seed=2)
    assert layer.top_shapes((first.shape,) * 2) == ((2, 4, 2, 1),) * 2
    against(loops(layer), layer, [first, second], in_torch=in_torch(layer, 2))
    line = conv(num_output=4, kernel_size=3, bottom=["a", "b"], top=["c", "d"])
    against(loops(line), line, [blob(2, 3, 7), blob(2, 3, 7, seed=2)], in_torch=in_torch(line, 1))


def test_a_volume_of_one_plane_is_an_image() -> None:
    """Caffe's way for any number of axes and its way for two agree; `force_nd_im2col` changes nothing."""
    x, plain = blob(2, 3, 6, 5), conv(num_output=4, kernel_size=3, stride=2, pad=1)
    params = random_params(plain, [x])
    deep = conv(num_output=4, kernel_size=[1, 3, 3], stride=[1, 2, 2], pad=[0, 1, 1])
    (volume,) = forward(deep, x[:, :, None], params=[params[0][:, :, None], params[1]])
    (image,) = forward(plain, x, params=params)
    (forced,) = forward(conv(num_output=4, kernel_size=3, stride=2, pad=1, force_nd_im2col=True), x, params=params)
    np.testing.assert_allclose(volume[:, :, 0], image, rtol=1e-13, atol=1e-13)
    np.testing.assert_array_equal(forced, image)
    forced_too = conv(num_output=4, kernel_size=3, stride=2, pad=1, force_nd_im2col=True)
    assert forced_too.identity() == plain.identity()
    assert conv(num_output=4, kernel_size=[3, 3, 3]).identity() == conv(num_output=4, kernel_size=3).identity()


def test_points_are_a_dense_layer() -> None:
    layer, x = conv(num_output=6, axis=3), blob(2, 3, 4, 5)
    params = random_params(layer, [x])
    assert [p.shape for p in params] == [(6, 5), (6,)]
    np.testing.assert_allclose(forward(layer, x, params=params)[0], x @ params[0].T + params[1], rtol=1e-12, atol=1e-12)


def test_a_window_a_little_wider_than_the_image_sees_zeros_behind_it() -> None:
    """Caffe divides as C does: (3 - 5) / 4 + 1 = 1 window, which reads two zeros."""
    layer, x = conv(num_output=2, kernel_size=5, stride=4), blob(2, 3, 3, 6)
    params = random_params(layer, [x])
    (y,) = forward(layer, x, params=params)
    (wanted,) = forward(layer, np.pad(x, ((0, 0), (0, 0), (0, 2), (0, 0))), params=params)
    assert y.shape == (2, 2, 1, 1)
    np.testing.assert_allclose(y, wanted, rtol=1e-13, atol=1e-13)
    with pytest.raises(ShapeError, match="5 wide"):
        conv(num_output=2, kernel_size=5, stride=2).top_shapes((x.shape,))


@pytest.mark.parametrize(
    ("fields", "shapes", "field", "words"),
    [
        ({"kernel_size": [3, 2]}, ((2, 3, 5),), "kernel_size", "2 axes, but .* has 1 spatial axis"),
        ({"kernel_size": 3, "stride": [1, 2]}, ((2, 3, 5, 4, 6),), "stride", "2 axes"),
        ({"kernel_size": 3, "pad": [1, 2, 0]}, ((2, 3, 5, 4),), "pad", "3 axes"),
        ({"kernel_size": 3, "dilation": [1, 2]}, ((2, 3, 5),), "dilation", "2 axes"),
        ({"kernel_h": 3, "kernel_w": 3}, ((2, 3, 5),), "kernel_h", "2 axes"),
        ({"kernel_size": 3, "axis": 4}, ((2, 3, 5, 4),), "axis", "axis 4 does not exist"),
        ({"axis": 2}, ((2, 3, 5, 4),), None, "has no size"),
        ({"kernel_size": 6}, ((2, 3, 7, 8, 5),), "kernel_size", "6 wide"),
        ({"kernel_size": 3}, ((2, 3, 5, 4), (2, 3, 5, 6)), "bottom.1", "equal shapes"),
        ({"kernel_size": 3}, ((2, 3, 5, 4), (2, 3, 5, 4)), "top", "1 of 2"),
    ],
)
def test_refused_shapes(fields: dict[str, Any], shapes: tuple[Shape, ...], field: str | None, words: str) -> None:
    with pytest.raises(ShapeError, match=words) as caught:
        conv(num_output=4, **fields).top_shapes(shapes)
    assert caught.value.field == field


def test_costs_and_fields_of_a_volume() -> None:
    layer, x = conv(num_output=8, kernel_size=[3, 5, 5], pad=[1, 2, 2], stride=[1, 2, 2], group=2), (2, 4, 6, 9, 7)
    (top,) = layer.top_shapes((x,))
    assert top == (2, 8, 6, 5, 4)
    assert layer.shape_arithmetic((x,)) == "(6+2*1-3)/1+1 = 6, (9+2*2-5)/2+1 = 5, (7+2*2-5)/2+1 = 4"
    assert layer.param_arithmetic((x,)) == f"(3*5*5*4/2+1)*8 = {(75 * 2 + 1) * 8}"
    assert layer.macs((x,), (top,)) == 2 * 8 * 6 * 5 * 4 * 75 * 2
    field = layer.receptive_field((x,), (NOTHING_SEEN,))
    assert field.over(top) == ((3, 5, 5), (1, 2, 2), (-1, -2, -2))
    again = conv(num_output=8, kernel_size=3).receptive_field((top,), (field,))
    assert again.over((2, 8, 4, 3, 2)) == ((5, 9, 9), (1, 2, 2), (-1, -2, -2))


def test_fields_of_other_axes() -> None:
    line = conv(num_output=8, kernel_size=3, stride=2).receptive_field(((2, 4, 9),), (NOTHING_SEEN,))
    assert line.over((2, 8, 4)) == ((3,), (2,), (0,))
    inf = float("inf")
    columns = conv(num_output=8, kernel_size=3, axis=2).receptive_field(((2, 4, 9, 7),), (POINT,))
    assert columns.over((2, 4, 8, 5)) == ((inf, 3), (0, 1), (-inf, 0))
    dense = conv(num_output=8, axis=3).receptive_field(((2, 4, 9, 7),), (POINT,))
    assert dense.over((2, 4, 9, 8)).size == (1, inf)


def test_the_batch_axis_is_before_the_channels() -> None:
    assert conv(num_output=2, kernel_size=3).batch_axes(((4, 3, 7),), (0,)) == (0,)
    assert conv(num_output=2, kernel_size=3, axis=2).batch_axes(((5, 4, 3, 7),), (1,)) == (1,)
    assert conv(num_output=2, kernel_size=3, axis=0).batch_axes(((3, 7),), (0,)) == (None,)


def test_what_is_not_wanted_is_not_computed() -> None:
    layer, x = conv(num_output=3, kernel_size=2, pad=1), blob(2, 4, 3, 5, 6)
    params = random_params(layer, [x])
    tops = layer.top_shapes((x.shape,))
    result = run_layer(layer, x, params=params, top_diffs=[blob(*tops[0], seed=2)], wanted=[], frozen=[0, 1])
    assert result.bottom_diffs == [None]
    assert result.param_diffs == [None, None]
    space = layer.workspaces((x.shape,), backward=False)
    assert set(space) < set(layer.workspaces((x.shape,), backward=True))
