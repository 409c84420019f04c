"""Im2col against its definition, Caffe's cases and PyTorch's unfold."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import Shape, ShapeError
from netspec.layers.im2col import Im2col
from tests.helpers.checks import Array, blob, forward, make_layer
from tests.helpers.oracle import against


def im2col(**fields: Any) -> Im2col:
    layer = make_layer("Im2col", **fields)
    assert isinstance(layer, Im2col)
    return layer


def oracle_of(layer: Im2col) -> Any:
    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        (x,) = bottoms
        batch, c, spatial = layer.cut(x.shape)
        windows, counts = layer.windows(x.shape), layer.convolved(x.shape)
        taps = tuple(window.kernel for window in windows)
        y = np.zeros((*batch, c, *taps, *counts))
        for index in np.ndindex(*y.shape):
            b, channel, rest = index[: len(batch)], index[len(batch)], index[len(batch) + 1 :]
            tap, place = rest[: len(taps)], rest[len(taps) :]
            at = tuple(i * w.stride - w.pad + t * w.dilation for i, t, w in zip(place, tap, windows, strict=True))
            if all(0 <= i < size for i, size in zip(at, spatial, strict=True)):
                y[index] = x[(*b, channel, *at)]
        return [y.reshape(*batch, -1, *counts)]

    return oracle


def unfold(layer: Im2col) -> Any:
    def run(bottoms: list[Any], _: list[Any]) -> list[Any]:
        from torch.nn import functional

        shape = tuple(bottoms[0].shape)
        kernel, stride, pad, dilation = zip(*layer.windows(shape), strict=True)
        return [functional.unfold(bottoms[0], kernel, dilation, pad, stride).reshape(layer.top_shapes((shape,))[0])]

    return run


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        ((2, 3, 5, 4), {"kernel_size": 3, "pad": 1}),
        ((2, 3, 7, 8), {"kernel_size": [3, 2], "stride": [2, 3], "pad": [0, 2], "dilation": [2, 1]}),
        ((2, 1, 3, 4), {"kernel_h": 5, "kernel_w": 1, "pad_h": 2, "pad_w": 3}),
    ],
)
def test_definition_and_derivatives(shape: Shape, fields: dict[str, Any]) -> None:
    layer = im2col(**fields)
    against(oracle_of(layer), layer, [blob(*shape)], in_torch=unfold(layer))


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        ((2, 3, 9), {"kernel_size": 3, "stride": 2, "pad": 1, "dilation": 2}),
        ((2, 2, 3, 5, 4), {"kernel_size": [2, 3, 1], "pad": [1, 0, 1], "stride": [1, 2, 1]}),
        ((2, 3, 4, 7), {"kernel_size": 3, "axis": 2}),
        ((4, 3), {"kernel_size": 1}),
        ((2, 3, 3, 7), {"kernel_size": 5, "stride": 4}),
    ],
)
def test_other_axes(shape: Shape, fields: dict[str, Any]) -> None:
    layer = im2col(**fields)
    against(oracle_of(layer), layer, [blob(*shape)])


def test_caffe_numbers() -> None:
    x = blob(2, 3, 10, 11)
    (y,) = forward(im2col(kernel_size=3, stride=2, dilation=3), x)
    assert y.shape == (2, 27, 2, 3)
    np.testing.assert_array_equal(y[0, :, 0, 0], [x[0, c // 9, c // 3 % 3 * 3, c % 3 * 3] for c in range(27)])
    (rectangular,) = forward(im2col(kernel_h=5, kernel_w=3, stride=2), x)
    assert rectangular.shape[1] == 45
    np.testing.assert_array_equal(rectangular[0, :, 0, 0], [x[0, c // 15, c // 3 % 5, c % 3] for c in range(45)])


def test_a_product_with_the_filters_is_the_convolution() -> None:
    x, fields = blob(2, 4, 7, 6), {"kernel_size": 3, "stride": 2, "pad": 1}
    w = blob(5, 4, 3, 3, seed=2)
    (columns,) = forward(im2col(**fields), x)
    (y,) = forward(make_layer("Convolution", num_output=5, bias_term=False, **fields), x, params=[w])
    np.testing.assert_allclose(np.einsum("kr,nrij->nkij", w.reshape(5, -1), columns), y, rtol=1e-12, atol=1e-12)


def test_refused() -> None:
    with pytest.raises(ShapeError, match="6 wide") as caught:
        im2col(kernel_size=6).top_shapes(((2, 3, 5, 7),))
    assert caught.value.field == "kernel_size"
    for fields in ({}, {"kernel_size": 0}, {"kernel_size": 3, "stride": 0}, {"kernel_size": 3, "pad": -1}):
        with pytest.raises(ValidationError):
            im2col(**fields)
