"""RMSProp against Caffe's numbers and a NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.regularizers.l1 import L1
from netspec.training.regularizers.l2 import L2
from netspec.training.solvers.rmsprop import RMSProp
from tests.helpers.checks import blob
from tests.helpers.updates import path, updated


def test_toy_table() -> None:
    # h = .02, w -= .1 / sqrt(.02) = .707106731: .292893269
    assert path(RMSProp(rms_decay=0.98)) == pytest.approx([0.292893269, 0.092280181, 0.028691175], abs=5e-10)


def test_numbers_that_come_out_even() -> None:
    # rms_decay .75, delta .5: h = 4 / 4 = 1, w = 1 - .3 * 2 / (1 + .5) = .6;
    # then h = (3 + 13) / 4 = 4, w = .6 - .3 * sqrt(13) / 2.5
    rule = RMSProp(rms_decay=0.75, delta=0.5)
    w, h = updated(rule, np.ones(1), [np.full(1, 2.0)], 0.3)
    assert (w[0], h[0]) == (pytest.approx(0.6, rel=1e-14), 1)
    w, h = updated(rule, np.ones(1), [np.full(1, 2.0), np.full(1, np.sqrt(13))], 0.3)
    assert (w[0], h[0]) == (pytest.approx(0.6 - 0.12 * np.sqrt(13), rel=1e-12), pytest.approx(4, rel=1e-12))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("regularizer", [L1(), L2()])
@pytest.mark.parametrize("delta", [1e-8, 0.3])
def test_reference(delta: float, regularizer: L1 | L2, dtype: str) -> None:
    """Five steps of the rule; decay and clipping are in the gradient that is squared, the rate and lr_mult are not."""
    l1, l2 = regularizer.coefficients(0.3)
    w, diffs = blob(7, 5).astype(dtype), [blob(7, 5, seed=s, away_from=[0.0]).astype(dtype) for s in range(2, 7)]
    w[0, :3] = 0
    expected, h = w.astype(float), np.zeros((7, 5))
    for diff in diffs:
        g = 0.25 * diff + l2 * expected + l1 * np.sign(expected)
        h = 0.8 * h + 0.2 * g**2
        expected = expected - 0.1 * 2 * g / (np.sqrt(h) + delta)
    w, history = updated(RMSProp(rms_decay=0.8, delta=delta), w, diffs, 0.1, 0.25, lr_mult=2.0, l1=l1, l2=l2)
    tight = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-13}
    np.testing.assert_allclose(w, expected, **tight)
    np.testing.assert_allclose(history, h, **tight)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("delta", [1e-8, 1e-18])
def test_a_gradient_that_is_always_zero_moves_nothing(delta: float, dtype: str) -> None:
    w, h = updated(RMSProp(delta=delta), np.ones(3, dtype), [np.zeros(3, dtype)] * 2, 0.1)
    assert (w == 1).all() and (h == 0).all()


def test_fields() -> None:
    assert (RMSProp().rms_decay, RMSProp().delta, RMSProp.slots) == (0.99, 1e-8, ("mean_square",))  # Caffe's
    for fields in (
        {"rms_decay": -0.1},
        {"rms_decay": 1.0},
        {"delta": 0.0},
        {"delta": 1e-19},
        {"delta": float("inf")},
        {"momentum": 0.0},
    ):
        with pytest.raises(ValidationError):
            RMSProp(**fields)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_are_made_in_writing_order(dtype: str) -> None:
    """(1 - rms_decay) * g, times g, as in version 0.1.0: its trainings go on bit for bit."""
    w, diff = (blob(1000, seed=seed).astype(dtype) for seed in (1, 2))
    _, square = updated(RMSProp(rms_decay=0.99), w, [diff], 0.1)
    np.testing.assert_array_equal(square, np.array(1 - 0.99, dtype) * diff * diff)
