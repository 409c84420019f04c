"""Clipping of every kind, in Caffe's order, and noise on gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.codegen.geometry import GRAIN
from netspec.core.calls import Call
from netspec.core.errors import NetspecError
from netspec.kernels import settle
from netspec.training.job import load_solver
from tests.helpers.checks import Array, run_reversed
from tests.helpers.sessions import session, weights

Make = Callable[..., dict[str, Any]]

PLAIN = {"momentum": 0, "base_lr": 1.0, "dtype": "float64", "weight_decay": None}


def moved(values: dict[str, Any]) -> dict[str, Array]:
    """The gradients by which a step of plain SGD at rate 1 moved every param, and by name."""
    one = session(values)
    before = weights(one)
    one.step()
    after = weights(one)
    one.close()
    return {name: before[name] - after[name] for name in before}


def _close(found: dict[str, Array], expected: dict[str, Array]) -> None:
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_allclose(array, expected[name], rtol=1e-9, atol=1e-14, err_msg=name)


@pytest.mark.parametrize("size", [1, 3])
def test_each_kind_limits_the_sum_before_it_is_divided(solver: Make, size: int) -> None:
    values = PLAIN | {"iter_size": size}
    sums = {name: size * array for name, array in moved(solver(**values)).items()}
    norm = sum(float((array**2).sum()) for array in sums.values()) ** 0.5
    limit = 0.3 * norm
    whole = {name: array * 0.3 / size for name, array in sums.items()}
    _close(moved(solver(**values, clip_gradients=limit)), whole)
    _close(moved(solver(**values, clip_gradients={"limit": limit})), whole)
    layers: dict[str, float] = {}
    for name, array in sums.items():
        layers[name.split(".")[0]] = layers.get(name.split(".")[0], 0.0) + float((array**2).sum())
    # a limit between the two layers' norms: one of them is brought down to it, the other stays
    between = float(np.sqrt(list(layers.values())).mean())
    factors = {name: min(1.0, between / square**0.5) for name, square in layers.items()}
    assert sorted(factor < 1 for factor in factors.values()) == [False, True]
    by_layer = {name: array * factors[name.split(".")[0]] / size for name, array in sums.items()}
    _close(moved(solver(**values, clip_gradients={"type": "layer_norm", "limit": between})), by_layer)
    values["clip_gradients"] = {"type": "value", "limit": 0.1}
    _close(moved(solver(**values)), {name: np.clip(array, -0.1, 0.1) / size for name, array in sums.items()})


def test_decay_is_not_clipped(solver: Make) -> None:
    clip = {"type": "value", "limit": 0.01}
    without = moved(solver(**PLAIN, clip_gradients=clip))
    one = session(solver(**PLAIN))
    start = weights(one)
    one.close()
    found = moved(solver(**PLAIN | {"clip_gradients": clip, "weight_decay": 0.5}))
    _close(found, {name: array + 0.5 * start[name] for name, array in without.items()})


@pytest.mark.parametrize("kind", ["layer_norm", "value"])
def test_a_gradient_that_is_not_finite_still_shuts_the_gate(solver: Make, kind: str) -> None:
    one = session(solver(clip_gradients={"type": kind, "limit": 0.1}))
    one.train.weights.data[one.train.weights.index("ip.bias")][1] = np.nan
    before = weights(one)
    with pytest.raises(NetspecError):
        one.step()
    assert all(np.array_equal(array, before[name], equal_nan=True) for name, array in weights(one).items())
    one.close()


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (0, "must be more than 0"),
        (-1.0, "must be more than 0"),
        ({"type": "value", "limit": 0}, "`clip_gradients.limit` must be more than 0"),
        ({"type": "values", "limit": 1}, "cannot be 'values'"),
        ({"type": "value"}, "lacks `limit`"),
        ("value", "must be a mapping"),
    ],
)
def test_mistakes(solver: Make, given: Any, text: str) -> None:
    with pytest.raises(NetspecError, match=text):
        load_solver(solver(clip_gradients=given))


# --- noise


def noise(size: int, iteration: int, eta: float = 4.0, gamma: float = 0.5, seed: int = 7, runner: Any = None) -> Array:
    diff, own = np.zeros(size), np.zeros(2)
    clock = np.array([iteration, 3])
    call = Call(settle.settle_with_noise, diff, np.array([1.0, 0.5]), own, clock, seed, eta, gamma)
    (runner or driver.run)([call], "float64")
    assert own.tolist() == [1, 1]
    return diff


def test_noise_has_the_variance_of_the_paper() -> None:
    for iteration, variance in ((0, 4.0), (15, 1.0), (399, 0.2)):  # 4 / (1 + t)^.5
        drawn = noise(200_000, iteration)
        assert drawn.mean() == pytest.approx(0, abs=5 * (variance / 200_000) ** 0.5)
        assert drawn.var() == pytest.approx(variance, rel=0.02)
    assert noise(1000, 50, gamma=0.0).var() == pytest.approx(4, rel=0.2)


def test_noise_is_a_function_of_seed_iteration_and_index() -> None:
    size = 3 * GRAIN + 5
    driver.limit_threads(1)
    one = noise(size, 3)
    driver.limit_threads(2)
    assert one.tobytes() == noise(size, 3).tobytes() == noise(size, 3, runner=run_reversed).tobytes()
    driver.limit_threads(None)
    np.testing.assert_array_equal(noise(100, 3), one[:100])
    assert len({noise(9, 3).tobytes(), noise(9, 4).tobytes(), noise(9, 3, seed=8).tobytes()}) == 3


def test_noise_is_added_to_the_clipped_and_divided_gradient(solver: Make) -> None:
    settings = PLAIN | {"iter_size": 2, "clip_gradients": 0.1}
    plain = moved(solver(**settings))
    noisy = moved(solver(**settings, gradient_noise={"eta": 0.25, "gamma": 0}))
    drawn = {name: noisy[name] - plain[name] for name in plain}
    every = np.concatenate([array.reshape(-1) for array in drawn.values()])
    assert every.std() == pytest.approx(0.5, rel=0.2)
    ends = [array.reshape(-1)[:2].tolist() for array in drawn.values()]
    assert len({tuple(np.round(end, 6)) for end in ends}) == len(ends), "each param has numbers of its own"


def test_noise_goes_on_after_a_resume(solver: Make, tmp_path: Any) -> None:
    values = solver(gradient_noise={"eta": 0.01}, iter_size=2)
    straight, first, second = session(values), session(values), session(values)
    for _ in range(4):
        straight.step()
    first.step()
    first.step()
    first.snapshot(tmp_path / "iter_000002.safetensors")
    second.restore(tmp_path / "iter_000002.safetensors")
    second.step()
    second.step()
    assert all(np.array_equal(array, weights(straight)[name]) for name, array in weights(second).items())
    for one in (straight, first, second):
        one.close()
