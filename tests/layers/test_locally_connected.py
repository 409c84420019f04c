"""LocallyConnected against its definition, and against the convolution that it is where all filters agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import Shape, ShapeError
from netspec.fillers.base import fans
from netspec.layers.locally_connected import LocallyConnected
from tests.helpers.checks import Array, blob, forward, make_layer, random_params
from tests.helpers.oracle import against


def local(**fields: Any) -> LocallyConnected:
    layer = make_layer("LocallyConnected", **fields)
    assert isinstance(layer, LocallyConnected)
    return layer


def oracle_of(layer: LocallyConnected) -> Any:
    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        (x,) = bottoms
        batch, _, spatial = layer.cut(x.shape)
        windows, (top,) = layer.windows(x.shape), layer.top_shapes((x.shape,))
        outputs = top[len(batch) :]
        y = np.zeros((*batch, *outputs))
        for row, (k, *place) in enumerate(np.ndindex(*outputs)):
            for tap in np.ndindex(*params[0].shape[2:]):
                at = tuple(i * w.stride - w.pad + t * w.dilation for i, t, w in zip(place, tap, windows, strict=True))
                if all(0 <= i < size for i, size in zip(at, spatial, strict=True)):
                    seen = x[(*(slice(None) for _ in batch), slice(None), *at)]
                    y[(..., k, *place)] += seen @ params[0][(row, slice(None), *tap)]
        return [y + params[1] if layer.bias_term else y]

    return oracle


def by_unfolding(layer: LocallyConnected) -> Any:
    """PyTorch has no such layer, but windows and products."""

    def run(bottoms: list[Any], params: list[Any]) -> list[Any]:
        from torch.nn import functional

        shape = tuple(bottoms[0].shape)
        kernel, stride, pad, dilation = zip(*layer.windows(shape), strict=True)
        windows = functional.unfold(bottoms[0], kernel, dilation, pad, stride)
        (top,) = layer.top_shapes((shape,))
        w = params[0].reshape(layer.num_output, windows.shape[2], -1)
        return [(windows.transpose(1, 2)[:, None] * w).sum(-1).reshape(top) + params[1]]

    return run


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        ((2, 3, 5, 4), {"num_output": 6, "kernel_size": 3}),
        ((3, 2, 7, 6), {"num_output": 4, "kernel_size": [3, 2], "stride": [2, 1], "pad": [1, 2], "dilation": [1, 2]}),
        ((21, 2, 4, 3), {"num_output": 17, "kernel_size": 2}),
    ],
)
def test_definition_and_derivatives(shape: Shape, fields: dict[str, Any]) -> None:
    layer = local(**fields)
    against(oracle_of(layer), layer, [blob(*shape)], in_torch=by_unfolding(layer))


@pytest.mark.parametrize(
    ("shape", "fields"),
    [
        ((2, 3, 7), {"num_output": 4, "kernel_size": 3, "stride": 2, "pad": 1, "bias_term": False}),
        ((2, 2, 3, 5, 4), {"num_output": 3, "kernel_size": [2, 3, 1], "pad": [1, 0, 1]}),
        ((2, 5, 3, 6), {"num_output": 4, "kernel_size": 3, "axis": 2}),
        ((4, 3), {"num_output": 2, "kernel_size": 1}),
    ],
)
def test_other_axes(shape: Shape, fields: dict[str, Any]) -> None:
    layer = local(**fields)
    against(oracle_of(layer), layer, [blob(*shape)])


def test_equal_filters_are_a_convolution() -> None:
    x, fields = blob(2, 3, 6, 5), {"num_output": 4, "kernel_size": 3, "stride": 2, "pad": 1}
    conv = make_layer("Convolution", **fields)
    w, b = random_params(conv, [x])
    (y,) = forward(conv, x, params=[w, b])
    spread = np.repeat(w, y.shape[2] * y.shape[3], axis=0), np.broadcast_to(b[:, None, None], y.shape[1:]).copy()
    np.testing.assert_allclose(forward(local(**fields), x, params=spread)[0], y, rtol=1e-12, atol=1e-12)


def test_shapes_and_costs() -> None:
    layer, x = local(num_output=4, kernel_size=[3, 2]), (5, 2, 6, 7)
    (top,) = layer.top_shapes((x,))
    assert top == (5, 4, 4, 6)
    assert layer.param_shapes((x,)) == ((4 * 4 * 6, 2, 3, 2), (4, 4, 6))
    assert fans(layer.param_shapes((x,))[0])[0] == 12
    assert layer.param_arithmetic((x,)) == f"(3*2*2+1)*4*4*6 = {13 * 96}"
    assert layer.macs((x,), (top,)) == 5 * 96 * 12


def test_refused() -> None:
    with pytest.raises(ShapeError, match="6 wide") as caught:
        local(num_output=2, kernel_size=6).top_shapes(((2, 3, 5, 7),))
    assert caught.value.field == "kernel_size"
    for fields in ({"num_output": 2}, {"kernel_size": 3}, {"num_output": 0, "kernel_size": 3}):
        with pytest.raises(ValidationError):
            local(**fields)
