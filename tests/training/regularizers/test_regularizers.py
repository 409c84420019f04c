"""Regularizers against numbers worked by hand and their formulas in NumPy; decay_mult; nets that train with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.codegen import driver
from netspec.codegen.geometry import GRAIN
from netspec.core.calls import Calls, Update
from netspec.training.regularizers.base import REGULARIZERS, Regularizer
from netspec.training.regularizers.elastic_net import ElasticNet
from netspec.training.regularizers.max_norm import MaxNorm
from netspec.training.regularizers.orthogonal import Orthogonal
from tests.helpers.checks import Array, blob, run_reversed
from tests.helpers.sessions import session, trained, weights

Make = Callable[..., dict[str, Any]]


def run_of(w: Array, diff: Array, shut: bool = False) -> Update:
    gate = np.array([0 if shut else 1, 1], w.dtype)
    return Update(w, diff, {}, np.ones(1, w.dtype), gate, 1.0, 0.0, 0.0, np.zeros(2, np.int64))


def ran(calls: Calls, dtype: str, runner: Any = driver.run) -> None:
    for call in calls:
        runner([call], dtype)


@pytest.mark.parametrize("cls", REGULARIZERS.members())
def test_every_regularizer_says_what_it_is(cls: type[Regularizer]) -> None:
    assert cls.__doc__ and all(field.description for field in cls.model_fields.values())
    l1, l2 = cls().coefficients(0.5)
    assert l1 >= 0 and l2 >= 0 and l1 + l2 in {0, 0.5}


def test_elastic_net_shares_out_the_decay() -> None:
    assert ElasticNet(share=0.25).coefficients(0.8) == (pytest.approx(0.2), pytest.approx(0.6))
    assert (ElasticNet(share=0).coefficients(0.8), ElasticNet(share=1).coefficients(0.8)) == ((0, 0.8), (0.8, 0))
    for share in (-0.1, 1.1):
        with pytest.raises(ValidationError):
            ElasticNet(share=share)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_max_norm_shortens_long_units_alone(dtype: str) -> None:
    w = np.array([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0], [-6.0, 8.0]], dtype)
    ran(MaxNorm(limit=2.5).after(run_of(w, w), 0.0), dtype)
    np.testing.assert_allclose(w, [[1.5, 2.0], [0.3, 0.4], [0, 0], [-1.5, 2.0]], rtol=1e-6)


def test_max_norm_of_filters_biases_and_a_shut_gate() -> None:
    filters, bias = blob(4, 3, 5, 2), blob(7)
    expected = filters / np.maximum(1, np.sqrt((filters**2).sum((1, 2, 3), keepdims=True)) / 0.7)
    w, shut = filters.copy(), filters.copy()
    ran(MaxNorm(limit=0.7).after(run_of(w, w), 0.1), "float64")
    np.testing.assert_allclose(w, expected, rtol=1e-14)
    ran(MaxNorm(limit=0.7).after(run_of(shut, shut, shut=True), 0.1), "float64")
    np.testing.assert_array_equal(shut, filters)
    assert not list(MaxNorm(limit=0.1).after(run_of(bias, bias), 0.1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(3, 7), (7, 3), (20, 33), (33, 20), (4, 3, 5, 2), (1, 5)])
def test_orthogonal_adds_the_gradient_of_its_penalty(shape: tuple[int, ...], dtype: str) -> None:
    w, diff = blob(*shape).astype(dtype), blob(*shape, seed=2).astype(dtype)
    flat, added = w.astype(float).reshape(len(w), -1), diff.astype(float)
    gradient = 4 * 0.3 * (flat @ flat.T - np.eye(len(w))) @ flat
    ran(Orthogonal().before(run_of(w, diff), 0.3), dtype)
    tight = {"rtol": 1e-4, "atol": 1e-3} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-12}
    np.testing.assert_allclose(diff, added + gradient.reshape(shape), **tight)


def test_the_gradient_of_orthogonal_is_that_of_the_penalty() -> None:
    w, step = blob(3, 5), blob(3, 5, seed=4)
    diff = np.zeros((3, 5))
    ran(Orthogonal().before(run_of(w, diff), 0.3), "float64")

    def penalty(at: Array) -> float:
        return 0.3 * float(((at @ at.T - np.eye(3)) ** 2).sum())

    slope = (penalty(w + 1e-5 * step) - penalty(w - 1e-5 * step)) / 2e-5
    assert (diff * step).sum() == pytest.approx(slope, rel=1e-8)


def test_orthogonal_leaves_biases_and_orthonormal_rows() -> None:
    assert not list(Orthogonal().before(run_of(blob(7), blob(7)), 0.3))
    assert not list(Orthogonal().before(run_of(blob(7, 3), blob(7, 3)), 0.0))
    w, diff = np.eye(3, 5), np.zeros((3, 5))
    ran(Orthogonal().before(run_of(w, diff), 0.3), "float64")
    assert (diff == 0).all()


@pytest.mark.parametrize("regularizer", [MaxNorm(limit=5.0), Orthogonal()], ids=["MaxNorm", "Orthogonal"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_on_any_number_of_threads(regularizer: Regularizer, dtype: str) -> None:
    results, shape = [], (3 * GRAIN // 300, 301)
    for threads, runner in ((1, driver.run), (2, driver.run), (2, run_reversed)):
        driver.limit_threads(threads)
        w, diff = blob(*shape).astype(dtype), blob(*shape, seed=3).astype(dtype)
        run = run_of(w, diff)
        ran((*regularizer.before(run, 0.1), *regularizer.after(run, 0.1)), dtype, runner)  # type: ignore[arg-type]
        results.append(w.tobytes() + diff.tobytes())
    driver.limit_threads(None)
    assert results[0] == results[1] == results[2]


def _with_mult(values: dict[str, Any], mult: float) -> dict[str, Any]:
    for layer in values["net"]["layers"]:
        if layer["type"] in {"Convolution", "InnerProduct"}:
            layer["param"] = [{"decay_mult": mult}, {"decay_mult": mult}]
    return values


@pytest.mark.parametrize("word", ["L1", "L2", "ElasticNet", "MaxNorm", "Orthogonal"])
def test_a_decay_mult_of_zero_exempts_from_every_regularizer(solver: Make, word: str) -> None:
    of = {"type": word, "limit": 0.3} if word == "MaxNorm" else word
    plain = weights(trained(solver(weight_decay=None), 3))
    exempt = weights(trained(_with_mult(solver(regularization_type=of, weight_decay=0.3), 0), 3))
    other = weights(trained(_with_mult(solver(regularization_type=of, weight_decay=0.3), 1), 3))
    assert all(np.array_equal(plain[name], exempt[name]) for name in plain)
    assert not any(np.array_equal(plain[name], other[name]) for name in plain if name.endswith("weight"))


def test_max_norm_holds_while_a_net_trains(solver: Make) -> None:
    one = trained(solver(regularization_type={"type": "MaxNorm", "limit": 0.5}, base_lr=1.0), 4)
    for name, array in weights(one).items():
        if name.endswith("weight"):
            norms = np.sqrt((array.reshape(len(array), -1).astype(float) ** 2).sum(1))
            assert norms.max() == pytest.approx(0.5, rel=1e-5)


def test_orthogonal_decay_is_added_behind_clipping_and_the_division(solver: Make) -> None:
    """A step of plain SGD: w - rate * (clipped sum / iter_size + 4 * decay * (W W^T - I) W)."""
    values = {"momentum": 0, "base_lr": 0.5, "iter_size": 2, "clip_gradients": 0.2, "dtype": "float64"}
    plain, pulled = session(solver(**values, weight_decay=None)), session(solver(**values, **_ORTHOGONAL))
    w = weights(pulled)["ip.weight"]
    plain.step()
    pulled.step()
    pull = 4 * 0.05 * (w @ w.T - np.eye(len(w))) @ w
    np.testing.assert_allclose(weights(pulled)["ip.weight"], weights(plain)["ip.weight"] - 0.5 * pull, rtol=1e-9)
    plain.close()
    pulled.close()


_ORTHOGONAL = {"regularization_type": "Orthogonal", "weight_decay": 0.05}
