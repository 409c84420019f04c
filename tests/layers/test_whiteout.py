"""Whiteout: an InnerProduct with noise on the input of each weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.helpers import naive
from tests.helpers.checks import Array, blob, forward, make_layer, run_layer
from tests.helpers.oracle import against

LAWS = [
    {},
    {"sigma": 0.5, "gamma": 0.5, "constant": 0.2},
    {"sigma": 0.3, "gamma": 0.0},
    {"sigma": 0.0, "constant": 0.1},
]


def law(fields: dict[str, Any]) -> tuple[float, float, float]:
    return fields.get("sigma", 0.1), fields.get("gamma", 1.0), fields.get("constant", 0.0)


@pytest.mark.parametrize("more", [{}, {"transpose": True}, {"axis": 2, "bias_term": False}])
@pytest.mark.parametrize("fields", LAWS)
def test_multiplicative(fields: dict[str, Any], more: dict[str, Any]) -> None:
    x, (sigma, gamma, constant) = blob(3, 4, 5), law(fields)
    axis, transpose = more.get("axis", 1), more.get("transpose", False)
    params = [blob(7, 20 if axis == 1 else 5, away_from=[0.0], seed=4), blob(7)][: 2 - ("bias_term" in more)]
    if transpose:
        params[0] = params[0].T
    g = naive.normals(params[0].size, 11, 0).reshape(params[0].shape)

    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        weight = params[0] * (1 + g * np.sqrt(sigma**2 * np.abs(params[0]) ** -gamma + constant))
        bias = params[1] if len(params) > 1 else None
        return [naive.inner_product(bottoms[0], weight.T if transpose else weight, bias, axis)]

    def in_torch(bottoms: list[Any], params: list[Any]) -> list[Any]:
        import torch

        w = params[0]
        w = w * (1 + torch.tensor(g) * (sigma**2 * w.abs() ** -gamma + constant).sqrt())
        return [torch.nn.functional.linear(bottoms[0].flatten(axis), w.T if transpose else w, *params[1:])]

    layer = make_layer("Whiteout", num_output=7, noise="MULTIPLICATIVE", **fields, **more)
    against(oracle, layer, [x], in_torch=in_torch, params=params)


@pytest.mark.parametrize("more", [{}, {"axis": 2, "bias_term": False}])
@pytest.mark.parametrize("fields", LAWS)
def test_additive(fields: dict[str, Any], more: dict[str, Any]) -> None:
    x, (sigma, gamma, constant), axis = blob(3, 4, 5), law(fields), more.get("axis", 1)
    params = [blob(7, 20 if axis == 1 else 5, away_from=[0.0], seed=4), blob(7)][: 2 - ("bias_term" in more)]
    g = naive.normals(int(np.prod(x.shape[:axis])) * 7, 11, 0).reshape(*x.shape[:axis], 7)

    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        y = naive.inner_product(bottoms[0], params[0], params[1] if len(params) > 1 else None, axis)
        own = params[0] ** 2 * (sigma**2 * np.abs(params[0]) ** -gamma + constant)
        return [y + g * np.sqrt([sum(row) for row in own])]

    def in_torch(bottoms: list[Any], params: list[Any]) -> list[Any]:
        import torch

        w = params[0]
        deviation = (w * w * (sigma**2 * w.abs() ** -gamma + constant)).sum(1).sqrt()
        return [torch.nn.functional.linear(bottoms[0].flatten(axis), *params) + torch.tensor(g) * deviation]

    layer = make_layer("Whiteout", num_output=7, **fields, **more)
    against(oracle, layer, [x], in_torch=in_torch, params=params)


def test_weights_of_zero_have_no_noise_and_no_gradient_of_it() -> None:
    """|w|^-gamma is infinite there, w^2 |w|^-gamma is 0."""
    x, w = np.ones((3, 2)), np.zeros((4, 2))
    for noise in ("ADDITIVE", "MULTIPLICATIVE"):
        layer = make_layer("Whiteout", num_output=4, noise=noise, bias_term=False)
        for dtype in ("float32", "float64"):
            result = run_layer(layer, x, params=[w], top_diffs=[np.ones((3, 4))], dtype=dtype)
            np.testing.assert_array_equal(result.tops[0], np.zeros((3, 4)))
            np.testing.assert_array_equal(result.param_diffs[0], np.full((4, 2), 3))


def test_statistics() -> None:
    """Over many samples of 0, additive noise has the variance that the paper's noise has in each output."""
    w = blob(3, 40, seed=6)
    layer = make_layer("Whiteout", num_output=3, sigma=0.4, gamma=1.2, constant=0.3, bias_term=False)
    (y,) = forward(layer, np.zeros((4000, 40)), params=[w])
    wanted = (w**2 * (0.16 * np.abs(w) ** -1.2 + 0.3)).sum(1)
    np.testing.assert_allclose(y.var(axis=0), wanted, rtol=4 * np.sqrt(2 / 4000))
    assert np.all(np.abs(y.mean(axis=0)) < 4 * np.sqrt(wanted / 4000))


def test_testing_is_an_inner_product() -> None:
    x, params = blob(3, 4), [blob(5, 4, seed=2), blob(5, seed=3)]
    wanted = forward(make_layer("InnerProduct", num_output=5), x, params=params)[0]
    for noise in ("ADDITIVE", "MULTIPLICATIVE"):
        layer = make_layer("Whiteout", num_output=5, noise=noise)
        np.testing.assert_array_equal(forward(layer, x, params=params, phase="TEST")[0], wanted)


@pytest.mark.parametrize(
    "fields",
    [{"sigma": -1.0}, {"gamma": 2.0}, {"gamma": -0.1}, {"constant": -0.1}, {"noise": "BOTH"}, {"transpose": True}],
)
def test_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_layer("Whiteout", num_output=2, **fields)
