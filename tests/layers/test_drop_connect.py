"""DropConnect: an InnerProduct whose weights are dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tests.helpers import naive
from tests.helpers.checks import Array, blob, forward, make_layer, run_layer
from tests.helpers.oracle import against


@pytest.mark.parametrize("fields", [{}, {"dropout_ratio": 0.25, "transpose": True}, {"axis": 2, "bias_term": False}])
def test_definition_and_derivatives(fields: dict[str, Any]) -> None:
    x, ratio = blob(3, 4, 5), fields.get("dropout_ratio", 0.5)
    axis, transpose = fields.get("axis", 1), fields.get("transpose", False)

    def masked(weight: Any) -> Any:
        """As `check_layer` draws: seed 11, iteration 0."""
        mask = naive.kept(weight.shape[0] * weight.shape[1], ratio, 11, 0).reshape(tuple(weight.shape))
        return weight * (mask / (1 - ratio))

    def oracle(bottoms: list[Array], params: list[Array]) -> list[Array]:
        weight = masked(params[0])
        bias = params[1] if len(params) > 1 else None
        return [naive.inner_product(bottoms[0], weight.T if transpose else weight, bias, axis)]

    def in_torch(bottoms: list[Any], params: list[Any]) -> list[Any]:
        import torch

        weight = params[0] * torch.tensor(masked(np.ones(tuple(params[0].shape))))
        weight = weight.T if transpose else weight
        return [torch.nn.functional.linear(bottoms[0].flatten(axis), weight, *params[1:])]

    against(oracle, make_layer("DropConnect", num_output=7, **fields), [x], in_torch=in_torch)


def test_statistics() -> None:
    """With the identity for x, y is the weight that was drawn."""
    layer = make_layer("DropConnect", num_output=60, dropout_ratio=0.3, bias_term=False)
    x, w = np.eye(50), np.ones((60, 50))
    (y,) = forward(layer, x, params=[w])
    assert set(np.unique(y)) == {0, 1 / 0.7}
    assert abs((y > 0).mean() - 0.7) < 1.96 * np.sqrt(0.21 / y.size)
    one, other, again = (forward(layer, x, params=[w], iteration=i)[0] for i in (1, 2, 1))
    assert one.tobytes() == again.tobytes() and one.tobytes() != other.tobytes()


def test_testing_is_an_inner_product() -> None:
    x, params, dy = blob(3, 4), [blob(5, 4, seed=2), blob(5, seed=3)], blob(3, 5, seed=4)
    kinds = [make_layer(type, num_output=5) for type in ("DropConnect", "InnerProduct")]
    (one,), (other,) = (forward(layer, x, params=params, phase="TEST") for layer in kinds)
    np.testing.assert_array_equal(one, other)
    layer = make_layer("DropConnect", num_output=5, dropout_ratio=0.0)
    one, other = (run_layer(each, x, params=params, top_diffs=[dy]) for each in (layer, kinds[1]))
    for a, b in zip([*one.tops, *one.param_diffs], [*other.tops, *other.param_diffs], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)


@pytest.mark.parametrize("ratio", [-0.1, 1.0])
def test_refused(ratio: float) -> None:
    with pytest.raises(ValidationError):
        make_layer("DropConnect", num_output=2, dropout_ratio=ratio)
