"""Shakeout: an InnerProduct whose inputs are enhanced or reversed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.helpers import naive
from tests.helpers.checks import Array, blob, forward, make_layer
from tests.helpers.oracle import against


def shaken(w: Array, keep: Array, tau: float, c: float) -> Array:
    """The paper's weight, (M, K), for the inputs that are kept, (K,)."""
    sign = np.sign(w)
    return np.where(keep, (w + c * tau * sign) / (1 - tau), -c * sign)


@pytest.mark.parametrize("fields", [{}, {"tau": 0.25, "c": 0.7, "transpose": True}, {"axis": 2, "bias_term": False}])
def test_definition_and_derivatives(fields: dict[str, Any]) -> None:
    x, tau, c = blob(3, 4, 5), fields.get("tau", 0.5), fields.get("c", 0.1)
    axis, transpose = fields.get("axis", 1), fields.get("transpose", False)
    keep = naive.kept(int(np.prod(x.shape[axis:])), tau, 11, 0)

    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        weight = shaken(params[0].T if transpose else params[0], keep, tau, c)
        return [naive.inner_product(bottoms[0], weight, params[1] if len(params) > 1 else None, axis)]

    def in_torch(bottoms: list[Any], params: list[Any]) -> list[Any]:
        import torch

        w = params[0].T if transpose else params[0]
        r = torch.tensor(keep / (1 - tau))
        weight = w * r + c * (r - 1) * w.detach().sign()
        return [torch.nn.functional.linear(bottoms[0].flatten(axis), weight, *params[1:])]

    params = [blob(7, 20 if axis == 1 else 5, away_from=[0.0], seed=4), blob(7)][: 2 - ("bias_term" in fields)]
    if transpose:
        params[0] = params[0].T
    against(oracle, make_layer("Shakeout", num_output=7, **fields), [x], in_torch=in_torch, params=params)


def test_statistics() -> None:
    """The mean over many draws is the weight; of each input, a share tau of draws is reversed."""
    tau, c, w = 0.3, 0.2, np.array([[0.5, -0.25, 0.0]])
    layer = make_layer("Shakeout", num_output=1, tau=tau, c=c, bias_term=False)
    drawn = np.array([forward(layer, np.eye(3), params=[w], iteration=i)[0].ravel() for i in range(400)])
    for i in range(2):
        reversed_ = np.isclose(drawn[:, i], -c * np.sign(w[0, i]))
        assert abs(reversed_.mean() - tau) < 1.96 * np.sqrt(tau * (1 - tau) / 400)
        step = (abs(w[0, i]) + c) / (1 - tau)
        assert abs(drawn[:, i].mean() - w[0, i]) < 4 * step * np.sqrt(tau * (1 - tau) / 400)
    assert set(drawn[:, 2]) == {0}


def test_all_weights_of_an_input_share_a_draw() -> None:
    layer = make_layer("Shakeout", num_output=6, bias_term=False)
    (y,) = forward(layer, np.eye(40), params=[np.ones((6, 40))])
    assert len(set(y[:, 0])) == 2 and np.all(y == y[:, :1])


def test_testing_is_an_inner_product() -> None:
    x, params = blob(3, 4), [blob(5, 4, seed=2), blob(5, seed=3)]
    (one,), (other,) = (
        forward(make_layer(type, num_output=5), x, params=params, phase="TEST") for type in ("Shakeout", "InnerProduct")
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("fields", [{"tau": -0.1}, {"tau": 1.0}, {"c": -0.1}])
def test_refused(fields: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        make_layer("Shakeout", num_output=2, **fields)
