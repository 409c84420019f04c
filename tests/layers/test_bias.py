"""Bias against NumPy's broadcasting, with a learned constant and with a second bottom, in Caffe's cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.layers.base import Layer
from tests.helpers.broadcast import CASES, X, along, wide
from tests.helpers.checks import blob, check_layer, forward, make_layer, random_params
from tests.helpers.oracle import against


def bias(**fields: Any) -> Layer:
    return make_layer("Bias", **fields)


@pytest.mark.parametrize(("fields", "shape"), CASES, ids=str)
def test_learned(fields: dict[str, Any], shape: tuple[int, ...]) -> None:
    layer, x = bias(**fields), blob(*X)
    params = random_params(layer, [x])
    assert layer.param_shapes((X,)) == (shape,)

    axis = fields.get("axis", 1)

    def oracle(bottoms: list[Any], held: list[Any]) -> list[Any]:
        return [bottoms[0] + along(bottoms[0], held[0], axis)]

    def in_torch(bottoms: list[Any], held: list[Any]) -> list[Any]:
        return [bottoms[0] + wide(held[0], axis)]

    against(oracle, layer, [x], params=params, in_torch=in_torch)
    np.testing.assert_allclose(forward(layer, x, params=params)[0], x + wide(params[0], axis), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(("fields", "shape"), CASES, ids=str)
def test_second_bottom(fields: dict[str, Any], shape: tuple[int, ...]) -> None:
    axis = fields.get("axis", 1)
    layer, x, b = bias(bottom=["x", "b"], axis=axis), blob(*X), blob(*shape, seed=2)
    assert layer.params() == ()

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        return [bottoms[0] + wide(bottoms[1], axis)]

    against(lambda bottoms, _: [bottoms[0] + along(*bottoms, axis)], layer, [x, b], in_torch=in_torch)
    np.testing.assert_allclose(forward(layer, x, b)[0], x + wide(b, axis), rtol=1e-13, atol=1e-14)


def test_only_one_gradient() -> None:
    for wanted in ([0], [1]):
        check_layer(bias(bottom=["x", "b"]), [blob(*X), blob(3, 4, seed=2)], wanted=wanted)


def test_defaults() -> None:
    (param,) = bias().params()
    assert (param.name, param.filler.value) == ("bias", 0)  # type: ignore[attr-defined]
    assert bias().param_arithmetic((X,)) == ""
    assert bias(num_axes=-1).param_arithmetic((X,)) == "3*4*5 = 60"


@pytest.mark.parametrize(
    ("fields", "shapes", "field"),
    [
        ({"axis": 2, "num_axes": 3}, (X,), "num_axes"),
        ({"bottom": ["x", "b"]}, (X, (3, 5)), "bottom.1"),
        ({"filler": {"type": "values", "values": [1, 2]}}, (X,), "filler.values"),
    ],
)
def test_refused_shapes(fields: dict[str, Any], shapes: Any, field: str) -> None:
    with pytest.raises(ShapeError) as caught:
        bias(**fields).top_shapes(shapes)
    assert caught.value.field == field
