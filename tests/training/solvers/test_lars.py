"""LARS against numbers worked by hand, and the paper's algorithm in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.solvers.lars import LARS
from netspec.training.solvers.sgd import SGD
from tests.helpers.checks import Array, blob
from tests.helpers.updates import updated


def test_numbers_that_come_out_even() -> None:
    # |w| = 5, |g| = 10, coefficient .5: ratio = .5 * 5 / 10 = .25, and at rate .2 w = (3, 4) - .05 * (6, 8)
    w, history = updated(LARS(trust_coefficient=0.5), np.array([[3.0, 4.0]]), [np.array([[6.0, 8.0]])], 0.2)
    np.testing.assert_allclose([*w[0], *history[0]], [2.7, 3.6, 0.3, 0.4], rtol=1e-14)
    # a decay of 1 is in the gradient, (9, 12), and in the ratio: .5 * 5 / (10 + 5) = 1/6
    w, _ = updated(LARS(trust_coefficient=0.5), np.array([[3.0, 4.0]]), [np.array([[6.0, 8.0]])], 0.2, l2=1.0)
    np.testing.assert_allclose(w[0], [2.7, 3.6], rtol=1e-14)


def lars(w: Array, diffs: list[Array], l1: float, l2: float, factor: float) -> tuple[Array, Array]:
    """Algorithm 1 of the paper, value by value."""
    w, v = w.astype(float), np.zeros(w.shape)
    for diff in diffs:
        g = factor * diff + l1 * np.sign(w)
        of_w, of_g = (sum(float(x) ** 2 for x in array.flat) ** 0.5 for array in (w, g))
        ratio = 0.02 * of_w / (of_g + l2 * of_w)
        for index in np.ndindex(*w.shape):
            v[index] = 0.8 * v[index] + 0.3 * 2 * ratio * (g[index] + l2 * w[index])
        w = w - v
    return w, v


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.3), (0.2, 0.1)])
def test_reference(l1: float, l2: float, dtype: str) -> None:
    w, diffs = blob(3, 5, 2).astype(dtype), [blob(3, 5, 2, seed=s).astype(dtype) for s in range(2, 22)]
    rule = LARS(momentum=0.8, trust_coefficient=0.02)
    found = updated(rule, w, diffs, 0.3, 0.25, lr_mult=2.0, l1=l1, l2=l2)
    for one, other in zip(found, lars(w, diffs, l1, l2, 0.25), strict=True):
        np.testing.assert_allclose(one, other, **_tight(dtype))


def _tight(dtype: str) -> dict[str, float]:
    return {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-14}


@pytest.mark.parametrize(("shape", "options"), [((7,), {}), ((7, 3), {"decay_mult": 0.0})], ids=["bias", "exempt"])
def test_what_is_not_adapted_is_sgd(shape: tuple[int, ...], options: dict[str, float]) -> None:
    w, diffs = blob(*shape), [blob(*shape, seed=s) for s in (2, 3)]
    for one, other in zip(
        updated(LARS(momentum=0.7), w, diffs, 0.1, **options), updated(SGD(momentum=0.7), w, diffs, 0.1), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-14)


def test_a_norm_of_zero_gives_a_ratio_of_one() -> None:
    zeros, ones = np.zeros((2, 3)), np.ones((2, 3))
    np.testing.assert_allclose(updated(LARS(), zeros, [ones], 0.1)[0], -0.1 * ones)
    np.testing.assert_array_equal(updated(LARS(), ones, [zeros], 0.1)[0], ones)


def test_fields() -> None:
    assert (LARS().momentum, LARS().trust_coefficient) == (0.9, 0.001)  # the paper's
    for fields in ({"momentum": 1.0}, {"trust_coefficient": 0.0}, {"momentum2": 0.9}):
        with pytest.raises(ValidationError):
            LARS(**fields)
