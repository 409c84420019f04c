"""SGD against Caffe's numbers and a NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.regularizers.l1 import L1
from netspec.training.regularizers.l2 import L2
from netspec.training.solvers.sgd import SGD
from tests.helpers.checks import blob
from tests.helpers.updates import path, updated


@pytest.mark.parametrize(
    ("decay", "expected"), [(0.0, [0.9, 0.72, 0.486]), (0.5, [0.85, 0.5875, 0.263125])], ids=["plain", "weight decay"]
)
def test_toy_table(decay: float, expected: list[float]) -> None:
    l1, l2 = L2().coefficients(decay)
    assert path(SGD(momentum=0.9), l1=l1, l2=l2) == pytest.approx(expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("regularizer", [L1(), L2()])
def test_reference(regularizer: L1 | L2, dtype: str) -> None:
    l1, l2 = regularizer.coefficients(0.3)
    w, diffs = blob(7, 5).astype(dtype), [blob(7, 5, seed=s).astype(dtype) for s in (2, 3)]
    w[0, :3] = 0
    expected, h = w.astype(float), 0.0
    for diff in diffs:
        h = 0.9 * h + 0.1 * 2 * (0.25 * diff + l2 * expected + l1 * np.sign(expected))
        expected = expected - h
    w, history = updated(SGD(momentum=0.9), w, diffs, 0.1, 0.25, lr_mult=2.0, l1=l1, l2=l2)
    np.testing.assert_allclose(w, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(history, h, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_l1_decay_is_added_last(dtype: str) -> None:
    """Rounded twice, as in version 0.1.0: its trainings go on bit for bit."""
    w, diff = (blob(1000, seed=seed).astype(dtype) for seed in (1, 2))
    factor, l1 = np.array([1 / 3, 0.3], dtype)
    expected = w - (diff * factor + l1 * np.sign(w))
    given, _ = updated(SGD(), w, [diff], 1.0, 1 / 3, l1=0.3)
    np.testing.assert_array_equal(given, expected)


def test_fields() -> None:
    assert SGD().momentum == 0 and SGD.slots == ("momentum",)
    for momentum in (-0.1, 1.0):
        with pytest.raises(ValidationError):
            SGD(momentum=momentum)
