"""Scale against NumPy's broadcasting, with a learned factor and with a second bottom, in Caffe's cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from netspec.layers.base import Layer
from tests.helpers.broadcast import CASES, X, along, wide
from tests.helpers.checks import Array, blob, check_layer, forward, make_layer, random_params, run_layer
from tests.helpers.oracle import against


def scale(**fields: Any) -> Layer:
    return make_layer("Scale", **fields)


@pytest.mark.parametrize("bias_term", [False, True])
@pytest.mark.parametrize(("fields", "shape"), CASES, ids=str)
def test_learned(fields: dict[str, Any], shape: tuple[int, ...], bias_term: bool) -> None:
    layer, x = scale(bias_term=bias_term, **fields), blob(*X)
    assert layer.param_shapes((X,)) == (shape,) * (1 + bias_term)
    params = random_params(layer, [x])
    axis = fields.get("axis", 1)

    def oracle(bottoms: list[Array], held: list[Array]) -> list[Array]:
        w, *b = (along(bottoms[0], each, axis) for each in held)
        return [sum(b, bottoms[0] * w)]

    def in_torch(bottoms: list[Any], held: list[Any]) -> list[Any]:
        w, *b = (wide(each, axis) for each in held)
        return [sum(b, bottoms[0] * w)]

    against(oracle, layer, [x], params=params, in_torch=in_torch)
    wanted = x * wide(params[0], axis) + (wide(params[1], axis) if bias_term else 0)
    np.testing.assert_allclose(forward(layer, x, params=params)[0], wanted, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("bias_term", [False, True])
@pytest.mark.parametrize(("fields", "shape"), CASES, ids=str)
def test_second_bottom(fields: dict[str, Any], shape: tuple[int, ...], bias_term: bool) -> None:
    fields = {key: value for key, value in fields.items() if key != "num_axes"}
    layer, x, w = scale(bottom=["x", "w"], bias_term=bias_term, **fields), blob(*X), blob(*shape, seed=2)
    assert [p.name for p in layer.params()] == ["bias"] * bias_term
    params = random_params(layer, [x, w])
    axis = fields.get("axis", 1)

    def oracle(bottoms: list[Array], held: list[Array]) -> list[Array]:
        factor, *b = (along(bottoms[0], each, axis) for each in (bottoms[1], *held))
        return [sum(b, bottoms[0] * factor)]

    def in_torch(bottoms: list[Any], held: list[Any]) -> list[Any]:
        factor, *b = (wide(each, axis) for each in (bottoms[1], *held))
        return [sum(b, bottoms[0] * factor)]

    against(oracle, layer, [x, w], params=params, in_torch=in_torch)
    wanted = x * wide(w, axis) + (wide(params[0], axis) if bias_term else 0)
    np.testing.assert_allclose(forward(layer, x, w, params=params)[0], wanted, rtol=1e-13, atol=1e-14)


def test_only_one_gradient() -> None:
    for wanted in ([0], [1]):
        check_layer(scale(bottom=["x", "w"]), [blob(*X), blob(3, 4, seed=2)], wanted=wanted)


def test_more_channels_than_parts() -> None:
    """Both ways to go through memory, cut into parts."""
    for shape in ((7, 300), (3, 130, 11, 5)):
        check_layer(scale(bias_term=True), [blob(*shape)])


def test_defaults() -> None:
    weight, bias = scale(bias_term=True).params()
    assert (weight.name, weight.filler.value) == ("weight", 1)  # type: ignore[attr-defined]
    assert (bias.name, bias.filler.value) == ("bias", 0)  # type: ignore[attr-defined]
    assert scale(bias_term=True).param_arithmetic(((2, 64, 5, 4),)) == "2*64 = 128"


def test_a_constant_field_of_ones_is_left_alone() -> None:
    x = blob(2, 3, 5)
    result = run_layer(scale(), x, params=[np.ones(3)], top_diffs=[np.ones(x.shape)])
    np.testing.assert_array_equal(result.tops[0], x)
    np.testing.assert_allclose(result.param_diffs[0], x.sum((0, 2)), rtol=1e-14)


@pytest.mark.parametrize(
    ("fields", "shapes", "field"),
    [
        ({"axis": 4}, (X,), "axis"),
        ({"num_axes": 4}, (X,), "num_axes"),
        ({"bottom": ["x", "w"]}, (X, (2,)), "bottom.1"),
        ({"bottom": ["x", "w"], "axis": 3}, (X, (5, 4)), "bottom.1"),
        ({"filler": {"type": "gaussian", "sparse": 4}}, (X,), "filler.sparse"),
        ({"filler": {"type": "bilinear"}}, (X,), "filler"),
    ],
)
def test_refused_shapes(fields: dict[str, Any], shapes: Any, field: str) -> None:
    with pytest.raises(ShapeError) as caught:
        scale(**fields).top_shapes(shapes)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "fields",
    [
        {"num_axes": -2},
        {"bias_filler": {"type": "constant"}},
        {"bottom": ["x", "w"], "num_axes": 2},
        {"bottom": ["x", "w"], "filler": {"type": "constant"}},
    ],
)
def test_refused_fields(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        scale(**fields)
