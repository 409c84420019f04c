"""RegressionScores against one value after the other, and PyTorch's losses."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, forward, make_layer
from tests.helpers.oracle import against
from tests.helpers.scoring import cut_into, same_for_every_batch_size

THREE = ["rmse", "mae", "r2"]


def test_definition() -> None:
    x, t = blob(4, 3, 5), blob(4, 5, 3, seed=2)

    def oracle(bottoms: list[Array], _: list[Array]) -> list[Array]:
        pairs = [*zip(bottoms[0].reshape(-1).tolist(), bottoms[1].reshape(-1).tolist(), strict=True)]
        squares, mean = sum((x - t) ** 2 for x, t in pairs), sum(t for _, t in pairs) / len(pairs)
        rmse, mae = sqrt(squares / len(pairs)), sum(abs(x - t) for x, t in pairs) / len(pairs)
        return [np.array(rmse), np.array(mae), np.array(1 - squares / sum((t - mean) ** 2 for _, t in pairs))]

    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        from torch.nn import functional

        x, t = (bottom.flatten() for bottom in bottoms)
        square = functional.mse_loss(x, t)
        return [square.sqrt(), functional.l1_loss(x, t), 1 - square / t.var(correction=0)]

    against(oracle, make_layer("RegressionScores", top=THREE), [x, t], in_torch=in_torch)


def test_example_by_hand() -> None:
    """x 2.5 0 2 8, t 3 -0.5 2 7: an example of scikit-learn's documentation."""
    tops = forward(make_layer("RegressionScores", top=THREE), np.array([2.5, 0, 2, 8]), np.array([3, -0.5, 2, 7]))
    np.testing.assert_allclose(tops, [sqrt(0.375), 0.5, 1 - 1.5 / 29.1875], rtol=1e-14)


@pytest.mark.parametrize(("x", "r2"), [([5.0, 5, 5], 1.0), ([5.0, 5, 6], 0.0)])
def test_truth_that_is_all_alike(x: list[float], r2: float) -> None:
    assert forward(make_layer("RegressionScores", top=THREE), np.array(x), np.full(3, 5.0))[2] == r2


def test_the_batch_size_does_not_matter() -> None:
    layer = make_layer("RegressionScores", top=THREE)
    same_for_every_batch_size(layer, blob(23, 4), blob(23, 4, seed=2))


def test_truth_far_from_zero_keeps_its_variance() -> None:
    """The sum of squares of t loses all of these digits."""
    x, t = blob(21, 2), blob(21, 2, seed=2)
    layer = make_layer("RegressionScores", top=THREE)
    for batch in (1, 3, 21):
        near, far = cut_into(layer, x, t, batch), cut_into(layer, x + 1e8, t + 1e8, batch)
        np.testing.assert_allclose(far, near, rtol=1e-7)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_what_is_not_finite_has_no_score(bad: float) -> None:
    tops = forward(make_layer("RegressionScores", top=THREE), np.array([1.0, bad]), np.array([0.0, 1.0]))
    assert not np.isfinite(tops).all()


def test_errors() -> None:
    layer = make_layer("RegressionScores")
    assert layer.classes(((5, 3), (5, 3))) == {}
    assert not layer.differentiable and layer.without_diff(2) == {1}
    for shapes in (((5, 3), (5, 2)), ((5, 3), (3, 5)), ((), (1,))):
        with pytest.raises(ShapeError, match="the same batch size and equally many values"):
            layer.top_shapes(shapes)
