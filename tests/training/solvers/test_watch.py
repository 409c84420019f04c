"""The watch over gradients and loss: norm, clipping, the gate that shuts on anything that is not finite."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.codegen.geometry import GRAIN, MOST_PARTS
from netspec.core.calls import Call
from netspec.engine.program import Program
from netspec.kernels import loss, update
from netspec.lowering import products
from tests.helpers.checks import Array, blob, run_reversed
from tests.helpers.programs import training
from tests.helpers.specs import ip, net
from tests.helpers.specs import loss as a_loss


def squares(diff: Array, runner: object = driver.run) -> Array:
    call = Call(update.sum_of_squares, diff, np.zeros(update.sum_of_squares.parts((diff,))))
    runner([call], str(diff.dtype))  # type: ignore[operator]
    return call.args[1]  # type: ignore[no-any-return]


def gate(
    partials: Array, loss_value: float = 0.0, clip: float = 0.0, iter_size: int = 1, dtype: str = "float64"
) -> tuple[float, float, float]:
    """(open, factor, norm)."""
    result, norm = np.full(2, np.nan, dtype), np.full(1, np.nan)
    call = Call(update.gate, partials[:1], partials[1:], np.array([loss_value]), result, norm, clip, iter_size, parts=1)
    driver.run([call], dtype)
    return float(result[0]), float(result[1]), float(norm[0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("size", [1, 7, 3 * GRAIN + 5])
def test_sum_of_squares(size: int, dtype: str) -> None:
    diff = blob(size).astype(dtype)
    partial = squares(diff)
    assert partial.size == max(1, size // GRAIN)
    np.testing.assert_allclose(partial.sum(), (diff.astype(np.float64) ** 2).sum(), rtol=1e-12)
    driver.limit_threads(1)
    assert squares(diff).tobytes() == squares(diff, run_reversed).tobytes() == partial.tobytes()
    driver.limit_threads(None)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 5, 16, 40, 41])
def test_one_value_that_is_not_finite_shuts_the_gate(place: int, bad: float) -> None:
    diff = blob(42).astype(np.float32)
    diff[place] = bad
    assert gate(squares(diff), dtype="float32")[:2] == (0, 0)


def test_float32_gradients_are_squared_in_float64() -> None:
    state, _, norm = gate(squares(np.array([3e30, -4e30], np.float32)), dtype="float32")
    assert state == 1 and norm == pytest.approx(5e30)
    assert gate(squares(np.array([3e-30, 4e-30], np.float32)))[2] == pytest.approx(5e-30)


@pytest.mark.parametrize("batch", [5, 70])
def test_inner_product_sums_the_squares_of_the_gradient_that_it_writes(batch: int) -> None:
    left, right, dw = blob(batch, 130), blob(batch, 1300, seed=2), np.zeros((130, 1300))
    taken = []
    for runner in (driver.run, run_reversed):
        taken.append(np.zeros(MOST_PARTS))
        runner(products.multiply_columns(left, right, dw, taken[-1], 0), "float64")
    np.testing.assert_allclose(taken[0].sum(), ((left.T @ right) ** 2).sum(), rtol=1e-12)
    assert taken[0].tobytes() == taken[1].tobytes()
    assert np.count_nonzero(taken[0]) > 1
    left[batch - 1, 128] = np.inf
    driver.run(products.multiply_columns(left, right, dw, taken[0], 0), "float64")
    assert gate(taken[0])[:2] == (0, 0)


def test_a_gradient_of_several_batches_or_layers_is_watched_as_a_whole() -> None:
    def watched(program: Program) -> list[int]:
        first, last = program.ranges["watch"]
        return [call.args[0].size for call in (step.call for step in program.table.steps[first : last - 1])]

    single, shared = ip("ip", 3), {"param": [{"name": "w"}]}
    pair = ip("one", 3, "data", **shared), ip("other", 3, "data", **shared), _product(), ip("top", 2)
    once = training(net(single, a_loss("ip")), keep=False)
    assert watched(once) == [3] and once.squares.shape == (1, MOST_PARTS)
    assert watched(training(net(single, a_loss("ip")), keep=False, iter_size=2)) == [once.weights.data[0].size, 3]
    assert once.weights.data[0].size in watched(training(net(*pair, a_loss("top")), keep=False))


def _product() -> dict[str, Any]:
    return {"name": "product", "type": "Eltwise", "bottom": ["one", "other"], "operation": "PROD"}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_shuts_the_gate(bad: float) -> None:
    assert gate(np.ones(3), bad)[:2] == (0, 0)


def test_clips_the_sum_over_iter_size_before_dividing() -> None:
    partials = np.array([9.0, 16.0])
    assert gate(partials) == (1, 1, 5)
    assert gate(partials, iter_size=4) == (1, 0.25, 5)
    assert gate(partials, clip=2.0, iter_size=4) == (1, pytest.approx(0.1), 5)
    assert gate(partials, clip=5.0) == (1, 1, 5)
    assert gate(partials, clip=-1.0) == (1, 1, 5)
    assert gate(np.zeros(0), clip=1.0) == (1, 1, 0)
    assert gate(partials, clip=2.0, dtype="float32")[1] == pytest.approx(0.4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loss_sums_weighted_tops_in_float64(dtype: str) -> None:
    total = np.array([0.5])
    top = np.full((3, 5), 1e-3, dtype)
    driver.run(
        [
            Call(loss.add_weighted, top, 2.0, total, parts=1),
            Call(loss.add_weighted, np.array(4.0, dtype), -0.5, total, parts=1),
        ],
        dtype,
    )
    np.testing.assert_allclose(total, 0.5 + 2 * top.astype(float).sum() - 2, rtol=1e-14)
