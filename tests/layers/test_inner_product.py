"""InnerProduct against its definition; the transposed weight gives the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.layers.base import Layer
from tests.helpers import naive
from tests.helpers.checks import Array, blob, check_layer, forward, make_layer, random_params, run_layer
from tests.helpers.oracle import against


def ip(**fields: Any) -> Layer:
    return make_layer("InnerProduct", **fields)


@pytest.mark.parametrize("bias_term", [True, False])
@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("axis", [1, 2, -1, 0])
def test_definition_and_derivatives(axis: int, transpose: bool, bias_term: bool) -> None:
    x = blob(2, 3, 4, 5)
    layer = ip(num_output=6, axis=axis, transpose=transpose, bias_term=bias_term)
    params = random_params(layer, [x])

    def oracle(bottoms: list[Array], held: list[Array]) -> list[Array]:
        w = held[0].T if transpose else held[0]
        return [naive.inner_product(bottoms[0], w, held[1] if bias_term else None, axis)]

    def in_torch(bottoms: list[Any], held: list[Any]) -> list[Any]:
        import torch

        flat = bottoms[0].reshape(*x.shape[: axis % x.ndim], -1)
        return [torch.nn.functional.linear(flat, held[0].T if transpose else held[0], *held[1:])]

    against(oracle, layer, [x], params=params, in_torch=in_torch)
    weight = params[0].T if transpose else params[0]
    wanted = naive.inner_product(x, weight, params[1] if bias_term else None, axis)
    (y,) = forward(layer, x, params=params)
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-12)
    assert layer.top_shapes((x.shape,)) == (wanted.shape,)


def test_caffe_shapes() -> None:
    x = ((2, 3, 4, 5),)
    assert ip(num_output=10).top_shapes(x) == ((2, 10),)
    assert ip(num_output=10).param_shapes(x) == ((10, 60), (10,))
    assert ip(num_output=10, transpose=True).param_shapes(x) == ((60, 10), (10,))


MANY = {
    "blocks": (67, 531, 70),
    "a long batch": (290, 5, 257),
    "more results": (21, 40, 33),
    "fewer results": (40, 33, 21),
}
FEW = {
    "one row": (1, 300, 9),
    "few rows": (7, 77, 90),
    "few results": (70, 37, 3),
    "few products": (13, 19, 130),
    "one result": (11, 6, 1),
    "one of each": (1, 1, 1),
}


@pytest.mark.parametrize("sizes", (MANY | FEW).values(), ids=[*MANY, *FEW])
def test_more_than_a_tile_a_block_and_a_part(sizes: tuple[int, int, int]) -> None:
    n, k, m = sizes
    x, w, b, v = blob(n, k), blob(m, k, seed=2), blob(m, seed=3), blob(n, m, seed=4)
    for transpose in (False, True):
        layer = ip(num_output=m, transpose=transpose)
        params = [np.ascontiguousarray(w.T) if transpose else w, b]
        result = run_layer(layer, x, params=params, top_diffs=[v])
        np.testing.assert_allclose(result.tops[0], x @ w.T + b, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(result.bottom_diffs[0], v @ w, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(result.param_diffs[0], x.T @ v if transpose else v.T @ x, rtol=1e-11, atol=1e-11)
        np.testing.assert_allclose(result.param_diffs[1], v.sum(0), rtol=1e-11, atol=1e-11)
        check_layer(layer, [x], params=params)


def test_published_costs() -> None:
    """LeNet's ip1."""
    layer, x = ip(num_output=500), ((64, 50, 4, 4),)
    assert layer.param_arithmetic(x) == "(800+1)*500 = 400500"
    assert layer.shape_arithmetic(x) == "50x4x4 = 800 -> 500"
    assert layer.macs(x, layer.top_shapes(x)) == 64 * 800 * 500
    assert ip(num_output=500, bias_term=False).param_arithmetic(x) == "800*500 = 400000"


def test_refuses_an_axis_that_is_not_there() -> None:
    with pytest.raises(ShapeError, match="axis 2 does not exist") as caught:
        ip(num_output=3, axis=2).top_shapes(((4, 5),))
    assert caught.value.field == "axis"
