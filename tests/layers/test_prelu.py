"""PReLU against its definition, a slope a channel and one for all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from netspec.layers.base import Layer
from tests.helpers.checks import Array, blob, check_layer, forward, make_layer, random_params, run_layer
from tests.helpers.oracle import against


def prelu(**fields: Any) -> Layer:
    return make_layer("PReLU", **fields)


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 5), (2, 3, 4, 5), (2, 3, 101, 97), (2, 3, 4, 5, 1)])
@pytest.mark.parametrize("shared", [False, True])
def test_definition_and_derivatives(shape: tuple[int, ...], shared: bool) -> None:
    layer, x = prelu(channel_shared=shared), blob(*shape, away_from=[0.0])
    params = [np.asarray(p) for p in random_params(layer, [x])]
    assert layer.param_shapes((shape,)) == (((),) if shared else ((3,),))

    def oracle(bottoms: list[Array], held: list[Array]) -> list[Array]:
        (given,), (slopes,), y = bottoms, held, bottoms[0].copy()
        for place in np.argwhere(given <= 0):
            y[tuple(place)] *= slopes if shared else slopes[place[1]]
        return [y]

    def in_torch(bottoms: list[Any], held: list[Any]) -> list[Any]:
        import torch

        return [torch.nn.functional.prelu(bottoms[0], held[0].reshape(-1))]

    against(oracle, layer, [x], params=params, in_torch=in_torch)
    slope = params[0] if shared else params[0].reshape(3, *(1,) * (len(shape) - 2))
    np.testing.assert_array_equal(forward(layer, x, params=params)[0], np.maximum(x, 0) + slope * np.minimum(x, 0))


def test_default_is_the_leaky_relu_of_caffe() -> None:
    x = blob(2, 3, 5)
    (param,) = prelu().params()
    assert (param.name, param.filler.value) == ("weight", 0.25)  # type: ignore[attr-defined]
    slopes = param.filler.fill((3,), np.random.default_rng(0))
    np.testing.assert_array_equal(
        forward(prelu(), x, params=[slopes])[0],
        forward(make_layer("ReLU", negative_slope=0.25), x)[0],
    )


def test_the_slope_rules_at_zero() -> None:
    result = run_layer(prelu(), np.zeros((1, 2)), params=[np.array([0.5, 3.0])], top_diffs=[np.full((1, 2), 4.0)])
    np.testing.assert_array_equal(result.bottom_diffs[0], [[2, 12]])


def test_more_channels_than_parts() -> None:
    check_layer(prelu(), [blob(2, 131, 5, away_from=[0.0])])


def test_refused_shapes() -> None:
    with pytest.raises(ShapeError, match="has no axis of channels"):
        prelu().top_shapes(((5,),))
    with pytest.raises(ShapeError, match="the filler: bilinear needs") as caught:
        prelu(filler={"type": "bilinear"}).top_shapes(((2, 5),))
    assert caught.value.field == "filler"
