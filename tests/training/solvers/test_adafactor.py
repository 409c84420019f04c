"""Adafactor against numbers worked by hand, the paper's algorithms in NumPy, and PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.codegen import driver
from netspec.codegen.geometry import GRAIN
from netspec.core.calls import Update
from netspec.training.solvers.adafactor import Adafactor
from netspec.training.solvers.base import UpdateRule
from netspec.training.solvers.lamb import LAMB
from netspec.training.solvers.lars import LARS
from tests.helpers.checks import Array, blob, run_reversed
from tests.helpers.updates import history, updated


def test_numbers_that_come_out_even() -> None:
    # g^2 = (1 4; 9 36): R = (2.5, 22.5), C = (5, 20), mean(R) = 12.5; R C / mean(R) = g^2 exactly, so u = 1 everywhere.
    # RMS(w) = 2, rho = min(.1, 1): w = 2 - .1 * 2
    w, row, column = updated(Adafactor(), np.full((2, 2), 2.0), [np.array([[1.0, 2.0], [3.0, 6.0]])], 0.1)
    np.testing.assert_allclose(w, np.full((2, 2), 1.8), rtol=1e-14)
    np.testing.assert_allclose([*row, *column], [2.5, 22.5, 5, 20], rtol=1e-14)


def adafactor(w: Array, diffs: list[Array], rate: float, l2: float = 0.0, relative: bool = True) -> Array:
    """Algorithms 4 and 5 of the paper, value by value; the decay beside them."""
    w, mult = w.astype(float), 2.0
    shape = w.shape if w.ndim < 2 else (len(w), w.size // len(w))
    w = w.reshape(shape)
    row, column, square = np.zeros(shape[0]), np.zeros(shape[-1]), np.zeros(shape)
    for t, diff in enumerate(diffs, 1):
        g, stays = 0.25 * diff.astype(float).reshape(shape), 1 - t**-0.8
        power = g**2 + 1e-30
        if len(shape) > 1:
            for i in range(shape[0]):
                row[i] = stays * row[i] + (1 - stays) * sum(power[i, j] for j in range(shape[1]))
            for j in range(shape[1]):
                column[j] = stays * column[j] + (1 - stays) * sum(power[i, j] for i in range(shape[0]))
            square = np.array([[r * c / row.sum() for c in column] for r in row])
        else:
            square = stays * square + (1 - stays) * power
        u = g / np.sqrt(square)
        u = u / max(1.0, (u**2).mean() ** 0.5)
        rho = min(rate, t**-0.5) if relative else rate
        w = w - mult * (max(1e-3, (w**2).mean() ** 0.5) if relative else 1.0) * rho * u - mult * rate * l2 * w
    return w


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("shape", [(3, 5), (3, 5, 2, 4), (7,), (1, 6), (6, 1)])
def test_reference(shape: tuple[int, ...], relative: bool, dtype: str) -> None:
    w, diffs = blob(*shape).astype(dtype), [blob(*shape, seed=s).astype(dtype) for s in range(2, 22)]
    rule = Adafactor(relative_step=relative, scale_parameter=relative)
    found, *_ = updated(rule, w, diffs, 0.3 if relative else 0.01, 0.25, lr_mult=2.0, l2=0.05)
    expected = adafactor(w, diffs, 0.3 if relative else 0.01, 0.05, relative).reshape(shape)
    tight = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(found, expected, **tight)


@pytest.mark.parametrize("shape", [(3, 5), (7,)])
def test_torch(shape: tuple[int, ...]) -> None:
    """PyTorch agrees for matrices and vectors, but for its floor, which no gradient here comes near."""
    torch: Any = pytest.importorskip("torch")
    w, diffs = blob(*shape), [blob(*shape, seed=s, away_from=[0.0]) for s in range(2, 22)]
    theirs = torch.tensor(w, requires_grad=True)
    optimizer = torch.optim.Adafactor([theirs], lr=0.1, weight_decay=0.02)
    for diff in diffs:
        theirs.grad = torch.tensor(diff)
        optimizer.step()
    found, *_ = updated(Adafactor(), w, diffs, 0.1, l2=0.02)
    np.testing.assert_allclose(found, theirs.detach().numpy(), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_that_is_always_zero_moves_nothing(dtype: str) -> None:
    for shape in ((3, 5), (7,)):
        zeros = np.zeros(shape, dtype)
        assert (updated(Adafactor(), np.ones(shape, dtype), [zeros] * 3, 0.1)[0] == 1).all()
    half = np.ones((3, 5), dtype)
    half[1] = half[:, 2] = 0
    moved = updated(Adafactor(), np.ones((3, 5), dtype), [half] * 3, 0.1)[0]
    assert np.isfinite(moved).all() and (moved[half == 0] == 1).all() and (moved[half > 0] < 1).all()


@pytest.mark.parametrize("rule", [LARS(), LAMB(), Adafactor()], ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_have_the_same_bits_on_any_number_of_threads(rule: UpdateRule, dtype: str) -> None:
    results, shape = [], (37, 3 * GRAIN // 7)
    for threads, runner in ((1, driver.run), (2, driver.run), (2, run_reversed)):
        driver.limit_threads(threads)
        arrays = (blob(*shape), blob(*shape, seed=3), np.full(1, 0.1), np.ones(2))
        w, diff, rate, gate = (array.astype(dtype) for array in arrays)
        kept = history(rule, w)
        for slot, array in enumerate(kept.values()):
            array[...] = np.abs(blob(*array.shape, seed=5 + slot))
        for call in rule.update(Update(w, diff, kept, rate, gate, 1.0, 0.01, 0.1, np.array([3, 0]))):
            runner([call], dtype)
        results.append(b"".join(a.tobytes() for a in (w, *kept.values())))
    driver.limit_threads(None)
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize("rule", [LARS(), LAMB(), Adafactor()], ids=lambda rule: type(rule).__name__)
def test_a_matrix_does_not_move_while_the_gate_is_shut(rule: UpdateRule) -> None:
    w = np.ones((5, 3))
    kept = {name: np.full_like(array, 2.0) for name, array in history(rule, w).items()}
    arrays = (w, np.full((5, 3), np.nan), kept, np.array([0.1]), np.zeros(2))
    driver.run(rule.update(Update(*arrays, 1.0, 0.0, 0.1, np.zeros(2, np.int64))), "float64")
    assert (w == 1).all() and all((h == 2).all() for h in kept.values())


def test_a_wide_matrix_has_room_for_a_row_of_each_unit_at_most() -> None:
    """A part owns rows: two rows of many columns are the work of two parts, however many values they have."""
    w, width = np.ones((2, 9 * GRAIN)), 9 * GRAIN
    now = np.array([0.1]), np.ones(2), 1.0, 0.0, 0.0, np.zeros(2, np.int64)
    first, *_ = Adafactor().update(Update(w, w.copy(), history(Adafactor(), w), *now))
    assert first.parts == 2 and first.args[4].shape == (2 * width,)  # the sums by columns


def test_state() -> None:
    """A row and a column for a matrix; of a convolution's weight, its filters are the rows."""
    slots = Adafactor().state([(4, 3, 5, 2), (7,)]).params
    assert {name: slot.shape for name, slot in slots[0].items()} == {"row": (4,), "column": (30,)}
    assert {name: slot.shape for name, slot in slots[1].items()} == {"mean_square": (7,)}


def test_fields() -> None:
    rule = Adafactor()
    paper = (0.8, 1e-30, 1e-3, 1.0)
    assert (rule.decay_rate, rule.delta, rule.delta2, rule.clip_threshold) == paper
    for fields in ({"decay_rate": 0.0}, {"delta": 0.0}, {"clip_threshold": 0.0}, {"momentum": 0.9}):
        with pytest.raises(ValidationError):
            Adafactor(**fields)
