"""SGD against Caffe's numbers and a NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.kernels import jit
from netspec.regularizers.l1 import L1
from netspec.regularizers.l2 import L2
from netspec.solvers.base import SOLVERS, Update
from netspec.solvers.sgd import SGD
from tests.checks import Array, blob, run_reversed


def updates(solver: SGD, w: Array, diffs: list[Array], rate: float, factor: float = 1.0, **options: float) -> tuple[Array, Array]:
    """Weight and history after one update per diff."""
    dtype, h = str(w.dtype), np.zeros_like(w)
    state = {"lr_mult": 1.0, "l1": 0.0, "l2": 0.0} | options
    for diff in diffs:
        gate = np.array([1, factor], dtype)
        jit.run(solver.update(Update(w, diff, (h,), np.array([rate], dtype), gate, **state)), dtype)
    return w, h


@pytest.mark.parametrize(("decay", "expected"), [(0.0, [0.9, 0.72, 0.486]), (0.5, [0.85, 0.5875, 0.263125])], ids=["plain", "weight decay"])
def test_toy_table(decay: float, expected: list[float]) -> None:
    solver, w, h = SGD(momentum=0.9), np.ones(1), np.zeros(1)
    l1, l2 = L2().coefficients(decay)
    path = []
    for _ in range(3):
        run = Update(w, w.copy(), (h,), np.array([0.1]), np.ones(2), 1.0, l1, l2)
        jit.run(solver.update(run), "float64")
        path.append(float(w[0]))
    assert path == pytest.approx(expected)


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
    w, history = updates(SGD(momentum=0.9), w, diffs, 0.1, 0.25, lr_mult=2.0, l1=l1, l2=l2)
    np.testing.assert_allclose(w, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(history, h, rtol=1e-5, atol=1e-6)


def test_nothing_moves_while_the_gate_is_shut() -> None:
    w, h = np.ones(5), np.full(5, 2.0)
    run = Update(w, np.full(5, np.nan), (h,), np.array([0.1]), np.zeros(2), 1.0, 0.0, 0.1)
    jit.run(SGD(momentum=0.5).update(run), "float64")
    assert (w == 1).all() and (h == 2).all()


def test_same_bits_on_any_number_of_threads() -> None:
    results = []
    size = 5 * jit.GRAIN + 3
    for threads, runner in ((1, jit.run), (2, jit.run), (2, run_reversed)):
        jit.limit_threads(threads)
        w, h, rate, gate = (a.astype(np.float32) for a in (blob(size), blob(size, seed=2), np.full(1, 0.1), np.ones(2)))
        runner(SGD(momentum=0.9).update(Update(w, blob(size, seed=3).astype(np.float32), (h,), rate, gate, 1.0, 0.0, 0.1)), "float32")
        results.append(w.tobytes() + h.tobytes())
    jit.limit_threads(None)
    assert results[0] == results[1] == results[2]


def test_fields() -> None:
    assert SOLVERS.get("SGD") is SGD and SGD().momentum == 0 and SGD.slots == 1
    for momentum in (-0.1, 1.0):
        with pytest.raises(ValidationError):
            SGD(momentum=momentum)
