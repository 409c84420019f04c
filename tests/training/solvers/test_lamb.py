"""LAMB against numbers worked by hand, the paper's algorithm in NumPy, and AdamW where nothing is adapted."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.solvers.adamw import AdamW
from netspec.training.solvers.lamb import LAMB
from tests.helpers.checks import Array, blob
from tests.helpers.updates import updated


def test_a_first_step_is_as_long_as_the_weight_times_the_rate() -> None:
    # m / (1 - b1) = g and sqrt(v / (1 - b2)) = |g|: the step is (1, -1), of norm sqrt(2), and |w| = 5
    w, mean, square = updated(LAMB(), np.array([[3.0, 4.0]]), [np.array([[6.0, -8.0]])], 0.2)
    np.testing.assert_allclose(w[0], [3 - 0.2 * 5 / 2**0.5, 4 + 0.2 * 5 / 2**0.5], rtol=1e-6)
    np.testing.assert_allclose([*mean[0], *square[0]], [0.6, -0.8, 0.036, 0.064], rtol=1e-12)


def lamb(w: Array, diffs: list[Array], l1: float, l2: float) -> Array:
    """Algorithm 2 of the paper, value by value."""
    w, m, v = w.astype(float), np.zeros(w.shape), np.zeros(w.shape)
    for t, diff in enumerate(diffs, 1):
        step = np.zeros(w.shape)
        for index in np.ndindex(*w.shape):
            g = 0.25 * diff[index]
            m[index] = 0.8 * m[index] + 0.2 * g
            v[index] = 0.95 * v[index] + 0.05 * g * g
            ratio = m[index] / (1 - 0.8**t) / ((v[index] / (1 - 0.95**t)) ** 0.5 + 1e-3)
            step[index] = ratio + l2 * w[index] + l1 * np.sign(w[index])
        w = w - 0.03 * 2 * (w**2).sum() ** 0.5 / (step**2).sum() ** 0.5 * step
    return w


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.0), (0.2, 0.1)])
def test_reference(l1: float, l2: float, dtype: str) -> None:
    w, diffs = blob(3, 5, 2).astype(dtype), [blob(3, 5, 2, seed=s).astype(dtype) for s in range(2, 22)]
    rule = LAMB(momentum=0.8, momentum2=0.95, delta=1e-3)
    found, *_ = updated(rule, w, diffs, 0.03, 0.25, lr_mult=2.0, l1=l1, l2=l2)
    tight = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(found, lamb(w, diffs, l1, l2), **tight)


@pytest.mark.parametrize(("shape", "options"), [((7,), {}), ((7, 3), {"decay_mult": 0.0})], ids=["bias", "exempt"])
def test_what_is_not_adapted_is_adamw(shape: tuple[int, ...], options: dict[str, float]) -> None:
    w, diffs = blob(*shape), [blob(*shape, seed=s) for s in (2, 3)]
    found = updated(LAMB(delta=1e-8), w, diffs, 0.1, l2=0.2, **options)
    for one, other in zip(found, updated(AdamW(), w, diffs, 0.1, l2=0.2), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_a_weight_of_zeros_moves_by_the_plain_step() -> None:
    w, *_ = updated(LAMB(), np.zeros((2, 3)), [np.ones((2, 3))], 0.1)
    np.testing.assert_allclose(w, np.full((2, 3), -0.1), rtol=1e-5)


def test_fields() -> None:
    rule = LAMB()
    assert (rule.momentum, rule.momentum2, rule.delta) == (0.9, 0.999, 1e-6)
    for fields in ({"momentum": 1.0}, {"delta": 0.0}, {"trust_coefficient": 0.1}):
        with pytest.raises(ValidationError):
            LAMB(**fields)
