"""Nesterov against Caffe's numbers, a NumPy reference, and Nesterov's own method, one momentum step behind."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.regularizers.l1 import L1
from netspec.training.regularizers.l2 import L2
from netspec.training.solvers.nesterov import Nesterov
from netspec.training.solvers.sgd import SGD
from tests.helpers.checks import blob
from tests.helpers.updates import path, updated


@pytest.mark.parametrize(
    ("decay", "expected"),
    # plain: h = .1, w -= 1.9 * .1; h = .9 * .1 + .1 * .81 = .171, w -= 1.9 * .171 - .9 * .1
    # decay, so that g = 1.5 w: h = .15, w -= 1.9 * .15; h = .24225, w -= 1.9 * .24225 - .9 * .15;
    # h = .27648375, w -= .307294125
    [(0.0, [0.81, 0.5751, 0.327321]), (0.5, [0.715, 0.389725, 0.082430875])],
    ids=["plain", "weight decay"],
)
def test_toy_table(decay: float, expected: list[float]) -> None:
    l1, l2 = L2().coefficients(decay)
    assert path(Nesterov(momentum=0.9), l1=l1, l2=l2) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("regularizer", [L1(), L2()])
def test_reference(regularizer: L1 | L2, dtype: str) -> None:
    """Five steps of Caffe's loop: the new history, then a step of (1 + momentum) * new - momentum * old history."""
    l1, l2 = regularizer.coefficients(0.3)
    w, diffs = blob(7, 5).astype(dtype), [blob(7, 5, seed=s).astype(dtype) for s in range(2, 7)]
    w[0, :3] = 0
    expected, h = w.astype(float), np.zeros((7, 5))
    for diff in diffs:
        old = h
        h = 0.9 * h + 0.1 * 2 * (0.25 * diff + l2 * expected + l1 * np.sign(expected))
        expected = expected - (1.9 * h - 0.9 * old)
    w, history = updated(Nesterov(momentum=0.9), w, diffs, 0.1, 0.25, lr_mult=2.0, l1=l1, l2=l2)
    tight = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(w, expected, **tight)
    np.testing.assert_allclose(history, h, **tight)


def test_it_is_nesterovs_method_seen_one_momentum_step_ahead() -> None:
    """x, v of Sutskever et al. 2013, equations 3 and 4, on a bowl.

    The gradient is taken at x + momentum * v, and that point is our w.
    """
    x, v, momentum, rate = 1.0, 0.0, 0.8, 0.1
    ahead = []
    for _ in range(6):
        v = momentum * v - rate * (x + momentum * v)
        x = x + v
        ahead.append(x + momentum * v)
    assert path(Nesterov(momentum=momentum), 6) == pytest.approx(ahead, rel=1e-12)


def test_without_momentum_it_is_gradient_descent() -> None:
    w, diffs = blob(7), [blob(7, seed=s) for s in (2, 3)]
    for one, other in zip(updated(Nesterov(), w, diffs, 0.1), updated(SGD(), w, diffs, 0.1), strict=True):
        np.testing.assert_array_equal(one, other)


def test_fields() -> None:
    assert Nesterov().momentum == 0 and Nesterov.slots == ("momentum",)
    for momentum in (-0.1, 1.0):
        with pytest.raises(ValidationError):
            Nesterov(momentum=momentum)
