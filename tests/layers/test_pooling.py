"""Pooling against its definition, and Caffe's table of cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.layers.base import Layer
from tests.helpers import naive
from tests.helpers.checks import Array, blob, check_layer, distinct, forward, make_layer, run_layer
from tests.helpers.oracle import against


def pool(**fields: Any) -> Layer:
    return make_layer("Pooling", **fields)


MAGIC = [
    [35, 1, 6, 26, 19, 24],
    [3, 32, 7, 21, 23, 25],
    [31, 9, 2, 22, 27, 20],
    [8, 28, 33, 17, 10, 15],
    [30, 5, 34, 12, 14, 16],
    [4, 36, 29, 13, 18, 11],
]
CAFFE: list[tuple[Any, dict[str, Any], Any, Any]] = [
    (
        [[1, 2, 5, 2, 3], [9, 4, 1, 4, 8], [1, 2, 5, 2, 3]],
        {"kernel_size": 2, "stride": 1},
        [[9, 5, 5, 8], [9, 5, 5, 8]],
        [[5, 2, 2, 9], [5, 12, 12, 9]],
    ),
    (
        MAGIC,
        {"kernel_h": 3, "kernel_w": 2},
        [[35, 32, 26, 27, 27], [32, 33, 33, 27, 27], [31, 34, 34, 27, 27], [36, 36, 34, 18, 18]],
        [[0, 7, 3, 16, 16], [7, 20, 20, 16, 16], [12, 26, 26, 16, 16], [31, 31, 26, 34, 34]],
    ),
    (
        MAGIC,
        {"kernel_h": 2, "kernel_w": 3},
        [[35, 32, 26, 26], [32, 32, 27, 27], [33, 33, 33, 27], [34, 34, 34, 17], [36, 36, 34, 18]],
        [[0, 7, 3, 3], [7, 7, 16, 16], [20, 20, 20, 16], [26, 26, 26, 21], [31, 31, 26, 34]],
    ),
    (
        [[1, 2, 4], [2, 3, 2], [4, 2, 1]],
        {"kernel_size": 3, "stride": 2, "pad": 2},
        [[1, 4, 4], [4, 4, 4], [4, 4, 1]],
        None,
    ),
]


@pytest.mark.parametrize("case", range(len(CAFFE)))
def test_caffe_maxima(case: int) -> None:
    image, fields, wanted, places = CAFFE[case]
    x = np.broadcast_to(np.array(image, float), (2, 3, len(image), len(image[0])))
    y, mask = forward(pool(top=["y", "mask"], **fields), x)
    np.testing.assert_array_equal(y, np.broadcast_to(wanted, y.shape))
    if places is not None:
        np.testing.assert_array_equal(mask, np.broadcast_to(places, y.shape))


def test_caffe_averages() -> None:
    (y,) = forward(pool(pool="AVE", kernel_size=3, stride=1, pad=1), np.full((1, 2, 3, 3), 2.0))
    wanted = [[8 / 9, 4 / 3, 8 / 9], [4 / 3, 2, 4 / 3], [8 / 9, 4 / 3, 8 / 9]]
    np.testing.assert_allclose(y, np.broadcast_to(wanted, y.shape), rtol=1e-15)


def test_caffe_shapes() -> None:
    x = ((2, 3, 6, 5),)
    assert pool(kernel_size=3, stride=2).top_shapes(x) == ((2, 3, 3, 2),)
    assert pool(kernel_size=3, stride=2, pad=1).top_shapes(x) == ((2, 3, 4, 3),)
    assert pool(global_pooling=True).top_shapes(x) == ((2, 3, 1, 1),)
    table = {
        (112, 3, 2, 0): (56, 55),
        (28, 3, 2, 1): (15, 14),
        (32, 3, 2, 0): (16, 15),
        (64, 3, 2, 1): (33, 32),
        (3, 3, 2, 2): (3, 3),
    }
    for (h, k, s, p), sizes in table.items():
        for mode, size in zip(("CEIL", "FLOOR"), sizes, strict=True):
            layer = pool(kernel_size=k, stride=s, pad=p, round_mode=mode)
            assert layer.top_shapes(((1, 1, h, h),)) == ((1, 1, size, size),)


CASES: list[dict[str, Any]] = [
    {"kernel_size": 2, "stride": 3, "round_mode": "FLOOR"},
    {"kernel_h": 2, "kernel_w": 3, "stride": 3, "pad_h": 1, "pad_w": 2},
    {"kernel_size": 2, "stride": 2},
    {"kernel_size": 3, "stride": 2},
    {"kernel_size": 3, "stride": 2, "pad": 1},
    {"kernel_size": 3, "stride": 1, "pad": 2, "round_mode": "FLOOR"},
    {"kernel_h": 4, "kernel_w": 2, "stride_h": 1, "stride_w": 3, "pad_h": 3, "pad_w": 1},
    {"kernel_size": 1, "stride": 2, "round_mode": "FLOOR"},
    {"global_pooling": True},
]


@pytest.mark.parametrize("fields", CASES, ids=str)
@pytest.mark.parametrize("how", ["MAX", "AVE"])
def test_definition_and_derivatives(how: str, fields: dict[str, Any]) -> None:
    layer, x = pool(pool=how, **fields), distinct(2, 3, 7, 8)
    result = check_layer(layer, [x])
    (fh, sh, ph, _), (fw, sw, pw, _) = layer.windows(x.shape)  # type: ignore[attr-defined]
    y, _ = naive.pooling(x, (fh, fw), (sh, sw), (ph, pw), how, fields.get("round_mode") != "FLOOR")
    np.testing.assert_allclose(forward(layer, x)[0], y, rtol=1e-14, atol=1e-14)
    assert result.tops[0].shape == y.shape


def test_second_top_has_no_gradient() -> None:
    check_layer(pool(top=["y", "mask"], kernel_size=3, stride=2), [distinct(2, 3, 7, 8)])


@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    pad=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    how=st.sampled_from(["MAX", "AVE"]),
    mode=st.sampled_from(["CEIL", "FLOOR"]),
)
def test_any_window(size: Any, kernel: Any, stride: Any, pad: Any, how: str, mode: str) -> None:
    """Every window that is accepted holds part of the image; every one that is refused does not."""
    layer = pool(kernel_size=kernel, stride=stride, pad=pad, pool=how, round_mode=mode)
    x = blob(1, 2, *size)
    ceil = mode == "CEIL"
    counts = [naive.windows(*axis, ceil, any(pad)) for axis in zip(size, kernel, stride, pad, strict=True)]
    empty = any((n - 1) * s - p >= h for n, s, p, h in zip(counts, stride, pad, size, strict=True))
    small = not ceil and any(k > h + 2 * p for k, h, p in zip(kernel, size, pad, strict=True))
    # a window so much larger than the image that rounding up leaves none
    small = small or any(h + 2 * p - k <= -s for k, h, p, s in zip(kernel, size, pad, stride, strict=True))
    if empty or small or any(p >= k for p, k in zip(pad, kernel, strict=True)):
        with pytest.raises(ShapeError):
            layer.top_shapes((x.shape,))
        return
    y, mask = naive.pooling(x, kernel, stride, pad, how, ceil)
    v = blob(*y.shape, seed=2)
    result = run_layer(layer, x, top_diffs=[v])
    np.testing.assert_allclose(result.tops[0], y, rtol=1e-13, atol=1e-13)
    if how == "MAX":
        places = forward(layer.model_copy(update={"top": ("y", "places")}), x)[1]
        np.testing.assert_array_equal(places, mask)
    np.testing.assert_allclose((x * result.bottom_diffs[0]).sum(), (v * y).sum(), rtol=1e-10, atol=1e-10)


def test_first_of_equals_gets_the_gradient() -> None:
    result = run_layer(pool(kernel_size=[2, 3]), np.ones((1, 1, 2, 3)), top_diffs=[np.full((1, 1, 1, 1), 5.0)])
    np.testing.assert_array_equal(result.bottom_diffs[0], np.array([[[[5, 0, 0], [0, 0, 0]]]]))


@pytest.mark.parametrize("phase", ["TRAIN", "TEST"])
def test_nan_and_infinities_show(phase: str) -> None:
    x = np.array([[[[1.0, np.nan, 2.0, -np.inf, -np.inf]]]])
    (y,) = forward(pool(kernel_h=1, kernel_w=2), x, phase=phase)
    np.testing.assert_array_equal(y, [[[[np.nan, np.nan, 2, -np.inf]]]])


def test_testing_keeps_no_places_unless_asked() -> None:
    x, fields = distinct(2, 3, 7, 8), {"kernel_size": 3, "stride": 2}
    assert not pool(**fields).workspaces((x.shape,), False)
    np.testing.assert_array_equal(forward(pool(**fields), x, phase="TEST")[0], forward(pool(**fields), x)[0])
    _, mask = forward(pool(top=["y", "mask"], **fields), x, phase="TEST")
    np.testing.assert_array_equal(mask, naive.pooling(x, (3, 3), (2, 2))[1])


def test_arithmetic() -> None:
    layer = pool(kernel_size=2, stride=2)
    assert layer.shape_arithmetic(((64, 20, 24, 24),)) == "ceil((24+2*0-2)/2)+1 = 12"
    assert layer.shape_arithmetic(((64, 20, 24, 15),)) == "ceil((24+2*0-2)/2)+1 = 12, ceil((15+2*0-2)/2)+1 = 8"
    assert pool(global_pooling=True).shape_arithmetic(((1, 9, 7, 7),)) == "ceil((7+2*0-7)/1)+1 = 1"


def test_padding_of_one_axis_drops_a_window_of_the_other() -> None:
    """Caffe clips both axes as soon as one is padded; without padding the same window is refused."""
    x = distinct(1, 2, 4, 5)
    padded = pool(kernel_h=2, kernel_w=1, stride_h=1, stride_w=3, pad_h=1, pad_w=0)
    assert padded.top_shapes((x.shape,)) == ((1, 2, 5, 2),)
    wide = pool(kernel_h=2, kernel_w=1, stride_h=1, stride_w=3, pad_h=1, pad_w=0)
    assert wide.top_shapes(((1, 2, 4, 6),)) == ((1, 2, 5, 2),)
    assert wide.shape_arithmetic(((1, 2, 4, 6),)).endswith("ceil((6+2*0-1)/3)+1 - 1 (starts past the image) = 2")
    with pytest.raises(ShapeError, match="the last of 3 windows would start at 6"):
        pool(kernel_h=2, kernel_w=1, stride_h=1, stride_w=3).top_shapes(((1, 2, 4, 6),))


@pytest.mark.parametrize(
    ("fields", "shape", "field", "words"),
    [
        ({"kernel_size": 2}, (2, 3), "bottom.0", "reads N x C x H x W"),
        ({"kernel_size": 2}, (2, 3, 4, 5, 6, 7), "bottom.0", "reads N x C x H x W"),
        ({"kernel_size": [2, 3, 2]}, (2, 3, 5, 4), "kernel_size", r"for 3 axes, but .* 2 spatial axes"),
        ({"kernel_size": 2, "stride": [1, 2]}, (2, 3, 4), "stride", "for 2 axes, but .* 1 spatial axis"),
        ({"kernel_h": 2, "kernel_w": 2}, (2, 3, 4, 5, 6), "kernel_h", "for 2 axes, but .* 3 spatial"),
        ({"kernel_size": 2, "pad": 2}, (2, 3, 5, 4), "pad", "smaller than the window"),
        ({"kernel_h": 2, "kernel_w": 3, "pad_h": 1, "pad_w": 3}, (2, 3, 5, 4), "pad_w", "smaller than the window"),
        ({"kernel_size": 1, "stride": 3}, (2, 3, 4, 6), "stride", "start at 6, past the 6"),
        ({"kernel_size": 5, "round_mode": "FLOOR"}, (2, 3, 4, 6), "kernel_size", "5 wide"),
    ],
)
def test_refused_shapes(fields: dict[str, Any], shape: tuple[int, ...], field: str, words: str) -> None:
    with pytest.raises(ShapeError, match=words) as caught:
        pool(**fields).top_shapes((shape,))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"global_pooling": True, "kernel_size": 2},
        {"global_pooling": True, "stride": 2},
        {"global_pooling": True, "pad_h": 1, "pad_w": 1},
        {"pool": "AVE", "kernel_size": 2, "top": ["y", "mask"]},
        {"pool": "L2", "kernel_size": 2, "top": ["y", "mask"]},
        {"pool": "STOCHASTIC", "kernel_size": 2, "pad": 1},
        {"pool": "STOCHASTIC", "kernel_size": 2, "pad_h": 0, "pad_w": 1},
        {"pool": "MEDIAN", "kernel_size": 2},
    ],
)
def test_refused_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        pool(**fields)


def test_global_pooling_allows_what_changes_nothing() -> None:
    assert pool(global_pooling=True, stride=1, pad=0).top_shapes(((2, 3, 6, 5),)) == ((2, 3, 1, 1),)


@pytest.mark.parametrize("channels", [1, 3, 17, 20, 50, 67])
@pytest.mark.parametrize("how", ["MAX", "AVE"])
def test_any_number_of_channels(how: str, channels: int) -> None:
    x = distinct(1, channels, 5, 7)
    result = check_layer(pool(pool=how, kernel_size=3, stride=2), [x])
    np.testing.assert_allclose(result.tops[0], naive.pooling(x, (3, 3), (2, 2), (0, 0), how)[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("size", "kind"), [((15, 17), np.uint8), ((16, 16), np.int32)])
def test_large_windows_have_large_places(size: tuple[int, int], kind: type) -> None:
    x = distinct(2, 3, 18, 19)
    layer = pool(kernel_size=size, stride=2, top=["y", "places"])
    result = check_layer(layer, [x])
    y, places = naive.pooling(x, size, (2, 2))
    np.testing.assert_allclose(result.tops[0], y, rtol=1e-6)
    np.testing.assert_array_equal(result.tops[1], places)
    assert result.workspace["mask"].dtype == kind


def oracle(layer: Any, how: str) -> Any:
    """The top by loops, whatever its number of axes; and of MAX the places, where they are asked for."""

    def tops(bottoms: list[Array], _: list[Array]) -> list[Array]:
        windows = layer.windows(bottoms[0].shape)
        measures = (tuple(axis[i] for axis in windows) for i in range(3))
        return list(naive.pooling_anywhere(bottoms[0], *measures, how, layer.round_mode == "CEIL"))[
            : len(layer.top_names())
        ]

    return tops


ANYWHERE: list[tuple[tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 8), {"kernel_size": 3, "stride": 2}),
    ((2, 3, 8), {"kernel_size": 3, "stride": 2, "pad": 1, "round_mode": "FLOOR"}),
    ((2, 3, 5, 4, 7), {"kernel_size": [2, 3, 1], "stride": [1, 2, 3], "pad": [1, 2, 0]}),
    ((2, 3, 5, 4, 7), {"kernel_size": 2, "stride": 2}),
    ((2, 3, 2, 4, 5), {"global_pooling": True}),
]


@pytest.mark.parametrize(("shape", "fields"), ANYWHERE, ids=str)
@pytest.mark.parametrize("how", ["MAX", "AVE", "L2"])
def test_one_and_three_axes(how: str, shape: tuple[int, ...], fields: dict[str, Any]) -> None:
    tops = ["y", "mask"] if how == "MAX" else ["y"]
    layer: Any = pool(pool=how, top=tops, **fields)

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch.nn.functional as nn

        (x,), spatial = bottoms, len(shape) - 2
        axes = layer.windows(shape)
        kernel, stride, pad, _ = ([axis[i] for axis in axes] for i in range(4))
        ceil = layer.round_mode == "CEIL"
        if how == "MAX":
            return [getattr(nn, f"max_pool{spatial}d")(x, kernel, stride, pad, ceil_mode=ceil)]
        return [getattr(nn, f"avg_pool{spatial}d")(x, kernel, stride, pad, ceil)]

    fits = how != "L2" and all(2 * w.pad <= w.kernel for w in layer.windows(shape))
    against(oracle(layer, how), layer, [distinct(*shape)], in_torch=in_torch if fits else None)


@pytest.mark.parametrize("fields", [CASES[0], CASES[4], CASES[6], CASES[8]], ids=str)
def test_lengths_of_windows(fields: dict[str, Any]) -> None:
    layer = pool(pool="L2", **fields)

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        import torch.nn.functional as nn

        return [nn.lp_pool2d(bottoms[0], 2.0, 3, 2, ceil_mode=True)]

    against(oracle(layer, "L2"), layer, [blob(2, 3, 7, 8)])
    against(None, pool(pool="L2", kernel_size=3, stride=2), [blob(2, 17, 7, 9)], in_torch=in_torch)


def test_a_window_of_zeros_has_no_gradient() -> None:
    """The square root has no slope at 0; a value of 0 beside others has the slope 0."""
    x = np.zeros((1, 1, 2, 4))
    x[0, 0, 0, 2:] = [3, 4]
    result = run_layer(pool(pool="L2", kernel_size=2, stride=2), x, top_diffs=[np.full((1, 1, 1, 2), 5.0)])
    np.testing.assert_array_equal(result.tops[0], [[[[0, 5]]]])
    np.testing.assert_array_equal(result.bottom_diffs[0], [[[[0, 0, 3, 4], [0, 0, 0, 0]]]])


@pytest.mark.parametrize("shape", [(2, 3, 7), (2, 3, 7, 8), (2, 3, 4, 5, 6)])
def test_expected_values_while_testing(shape: tuple[int, ...]) -> None:
    layer = pool(pool="STOCHASTIC", kernel_size=2, stride=2)
    against(oracle(layer, "EXPECTED"), layer, [np.abs(blob(*shape)) + 0.1], phase="TEST")
    x = np.array([[[-1.0, -2.0, 0.0, 0.0, 3.0, 1.0]]])
    result = run_layer(layer, x, phase="TEST", top_diffs=[np.ones((1, 1, 3))])
    np.testing.assert_array_equal(result.tops[0], [[[0, 0, 2.5]]])
    np.testing.assert_array_equal(result.bottom_diffs[0], [[[0, 0, 0, 0, 3.5 / 4, -0.5 / 4]]])


def test_draws() -> None:
    """Each value is drawn as often as its share of the window; the draw repeats by seed and iteration alone."""
    layer = pool(pool="STOCHASTIC", kernel_size=[2, 2], stride=2)
    x = np.tile(np.array([[1.0, 0.0], [2.0, 5.0]]), (4, 3, 16, 17))
    v = np.random.default_rng(1).standard_normal((4, 3, 16, 17))
    drawn = run_layer(layer, x, top_diffs=[v], iteration=3)
    counts = {value: float(np.mean(drawn.tops[0] == value)) for value in (0.0, 1.0, 2.0, 5.0)}
    for value, wanted in {0.0: 0.0, 1.0: 1 / 8, 2.0: 2 / 8, 5.0: 5 / 8}.items():
        assert abs(counts[value] - wanted) <= 4 * np.sqrt(wanted * (1 - wanted) / v.size)
    wanted = x * np.kron(v, np.ones((2, 2))) * (x == np.kron(drawn.tops[0], np.ones((2, 2)))) / np.maximum(x, 1)
    np.testing.assert_allclose(drawn.bottom_diffs[0], wanted, rtol=1e-14)
    again = run_layer(layer, x, top_diffs=[v], iteration=3, layout="NCHW", dtype="float32")
    np.testing.assert_array_equal(again.tops[0], drawn.tops[0])
    for other in ({"iteration": 4}, {"iteration": 3, "seed": 12}):
        assert (run_layer(layer, x, **other).tops[0] != drawn.tops[0]).mean() > 0.3


@pytest.mark.parametrize("shape", [(2, 3, 9), (2, 3, 9, 8), (2, 3, 4, 5, 6)])
def test_draws_lie_in_their_windows(shape: tuple[int, ...]) -> None:
    """Small steps never change a draw here: gradients are checked as well."""
    layer = pool(pool="STOCHASTIC", kernel_size=2, stride=1)
    result = check_layer(layer, [np.abs(distinct(*shape)) + 1], rtol=1e-4)
    most = forward(pool(kernel_size=2, stride=1), *result.bottoms)[0]
    assert (result.tops[0] <= most).all() and (result.tops[0] < most).any()


def test_a_window_without_chances_gives_its_first_value() -> None:
    x = np.array([[[0.0, 0.0, 2.0, 0.0, np.nan, 1.0]]])
    (y,) = forward(pool(pool="STOCHASTIC", kernel_size=2, stride=2), x)
    np.testing.assert_array_equal(y, [[[0, 2, 1]]])


@pytest.mark.parametrize(("how", "fields"), [("MAX", {}), ("AVE", {}), ("MAX", {"stride": (2, 3)})])
def test_windows_of_one_value_only_move_values(how: str, fields: dict[str, Any]) -> None:
    """`check_layer` compares what it says of itself with its top."""
    layer = pool(pool=how, kernel_size=1, **fields)
    assert layer.moves("TEST") is not None
    check_layer(layer, [distinct(2, 3, 5, 7)])
    others: list[dict[str, Any]] = [{"kernel_size": 2}, {"kernel_h": 1, "kernel_w": 2}, {"global_pooling": True}]
    others.append({"kernel_size": 1, "top": ["y", "mask"]})
    assert not any(pool(**other).moves("TEST") for other in others)
