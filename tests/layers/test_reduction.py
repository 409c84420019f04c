"""Reduction against loops: Caffe's cases on 2x3x4x5 with axes 0, 1, 2, and all four operations with coeff 2.3."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.core.shape import ShapeError
from tests.helpers.checks import Array, blob, check_layer, forward, make_layer, run_layer
from tests.helpers.oracle import against
from tests.helpers.sessions import session

TERMS = {"SUM": lambda v: v, "MEAN": lambda v: v, "ASUM": abs, "SUMSQ": lambda v: v * v}


def reduced(x: Array, operation: str, axis: int, coeff: float) -> Array:
    front = x.shape[:axis] if axis >= 0 else x.shape[: x.ndim + axis]
    y = np.zeros(front)
    length = x.size // y.size
    for index in np.ndindex(*front):
        for value in x[index].reshape(-1):
            y[index] += TERMS[operation](value)
        y[index] *= coeff / length if operation == "MEAN" else coeff
    return y


@pytest.mark.parametrize("operation", TERMS)
@pytest.mark.parametrize(("axis", "coeff"), [(0, 1.0), (0, 2.3), (1, 2.3), (2, -0.7), (-1, 1.0)])
def test_definition_and_derivatives(operation: str, axis: int, coeff: float) -> None:
    def in_torch(bottoms: list[Any], _: list[Any]) -> list[Any]:
        (x,) = bottoms
        flat = x.flatten(axis) if axis != -1 else x
        flat = flat.abs() if operation == "ASUM" else flat**2 if operation == "SUMSQ" else flat
        return [(flat.mean(-1) if operation == "MEAN" else flat.sum(-1)) * coeff]

    x = blob(2, 3, 4, 5, away_from=[0.0])
    layer = make_layer("Reduction", operation=operation, axis=axis, coeff=coeff)
    result = against(lambda b, _: [reduced(b[0], operation, axis, coeff)], layer, [x], in_torch=in_torch)
    assert result.tops[0].shape == {0: (), 1: (2,), 2: (2, 3), -1: (2, 3, 4)}[axis]


def test_long_sums_are_cut_and_added_in_double_precision() -> None:
    x = blob(3, 9001, seed=4)
    check_layer(make_layer("Reduction", operation="SUMSQ", axis=1), [x])
    (sums,) = forward(make_layer("Reduction", axis=0), np.full((7, 12345), 0.1), dtype="float32")
    assert sums == np.float32(np.float64(np.float32(0.1)) * 7 * 12345)


def test_the_slope_of_an_absolute_value_is_0_at_0() -> None:
    x = np.array([[-2.0, 0.0, 3.0]])
    result = run_layer(make_layer("Reduction", operation="ASUM", axis=1), x, top_diffs=[np.array([2.0])])
    np.testing.assert_array_equal(result.bottom_diffs[0], [[-2, 0, 2]])


def test_what_is_not_finite_shows() -> None:
    x = np.array([[1.0, np.nan], [np.inf, 1.0], [np.inf, -np.inf]])
    np.testing.assert_array_equal(forward(make_layer("Reduction", axis=1), x)[0], [np.nan, np.inf, np.nan])
    diffs = run_layer(make_layer("Reduction", operation="ASUM"), x, top_diffs=[np.array(1.0)]).bottom_diffs
    np.testing.assert_array_equal(diffs[0], [[1, np.nan], [1, 1], [1, -1]])


def test_errors() -> None:
    for shape, axis in (((2, 3), 2), ((2, 3), -3), ((), 0)):
        with pytest.raises(ShapeError, match=f"axis {axis} does not exist"):
            make_layer("Reduction", axis=axis).top_shapes((shape,))
    for fields in ({"operation": "MAX"}, {"coeff": float("inf")}, {"axis": 0.5}):
        with pytest.raises(ValidationError):
            make_layer("Reduction", **fields)


def test_a_score_of_a_test_is_that_of_all_samples() -> None:
    """The last batch is shorter: a mean of the batches' means would be wrong."""
    values = blob(5, 3, seed=9).round(3)
    layers: list[dict[str, Any]] = [{"name": "data", "type": "Input", "shape": [2, 3]}]
    for word in ("mean", "sumsq"):
        layers.append({"name": word, "type": "Reduction", "bottom": "data", "operation": word.upper()})
    learned = {"name": "ip", "type": "InnerProduct", "bottom": "data", "num_output": 1}
    layers += [learned, {"name": "loss", "type": "Reduction", "bottom": "ip", "loss_weight": 1}]
    feed = {"source": {"type": "Arrays", "values": [values.tolist()]}, "batch_size": 2}
    solver = {"net": {"layers": layers}, "base_lr": 0.1, "lr_policy": "fixed", "max_iter": 1}
    one = session({**solver, "data": {"train": feed, "test": feed}})
    found, samples = one.testers["test"].run()
    one.close()
    assert samples == 5
    assert found["mean"] == pytest.approx(values.mean(), rel=1e-5)
    assert found["sumsq"] == pytest.approx((values**2).sum(), rel=1e-5)
