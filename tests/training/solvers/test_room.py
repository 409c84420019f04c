"""Rules that every solver type obeys."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from netspec.codegen import driver
from netspec.codegen.geometry import GRAIN
from netspec.core.calls import Update
from netspec.training.solvers.adafactor import Adafactor
from netspec.training.solvers.base import SOLVERS, UpdateRule
from netspec.training.solvers.base_driving import DrivingRule
from tests.helpers.checks import blob, run_reversed
from tests.helpers.updates import history, updated

CAFFES = {"AdaDelta", "AdaGrad", "Adam", "Nesterov", "RMSProp", "SGD"}
TYPES = [cls for cls in SOLVERS.members() if not issubclass(cls, DrivingRule)]
RULES = [cls(**{"momentum": 0.9} if "momentum" in cls.model_fields else {}) for cls in TYPES]

every = pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)


def test_the_room_lists_its_types() -> None:
    assert CAFFES | {"AdamW", "AdaMax", "Lion", "NAdam", "QHAdam", "RAdam", "Rprop"} <= set(SOLVERS.words())
    assert set(SOLVERS.words()) == {cls.__name__ for cls in SOLVERS.members()}


@pytest.mark.parametrize("cls", SOLVERS.members())
def test_every_type_and_field_says_what_it_is(cls: type[UpdateRule]) -> None:
    module = sys.modules[cls.__module__]
    assert cls.__doc__ and cls.__doc__.endswith(".") and "\n" not in cls.__doc__
    assert (module.__doc__ or "").startswith(f"{cls.__name__}: ") and "Source: " in (module.__doc__ or "")
    assert all(field.description for field in cls.model_fields.values())
    assert Path(__file__).with_name(f"test_{cls.__module__.rpartition('.')[2]}.py").exists()
    cls()  # every field has a default


@every
def test_nothing_moves_while_the_gate_is_shut(rule: UpdateRule) -> None:
    w = np.ones(5)
    kept = {name: np.full_like(array, 2.0) for name, array in history(rule, w).items()}
    arrays = (w, np.full(5, np.nan), kept, np.array([0.1]), np.zeros(2))
    driver.run(rule.update(Update(*arrays, 1.0, 0.0, 0.1, np.zeros(2, np.int64))), "float64")
    assert (w == 1).all() and all((h == 2).all() for h in kept.values())


@every
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_bits_on_any_number_of_threads(rule: UpdateRule, dtype: str) -> None:
    results = []
    size = 5 * GRAIN + 3
    for threads, runner in ((1, driver.run), (2, driver.run), (2, run_reversed)):
        driver.limit_threads(threads)
        w, diff, rate, gate = (a.astype(dtype) for a in (blob(size), blob(size, seed=3), np.full(1, 0.1), np.ones(2)))
        kept = history(rule, w)
        for slot, array in enumerate(kept.values()):
            array[...] = np.abs(blob(*array.shape, seed=5 + slot))
        runner(rule.update(Update(w, diff, kept, rate, gate, 1.0, 0.01, 0.1, np.array([3, 0]))), dtype)
        results.append(b"".join(a.tobytes() for a in (w, *kept.values())))
    driver.limit_threads(None)
    assert results[0] == results[1] == results[2]


ALONE = [rule for rule in RULES if not isinstance(rule, Adafactor)]  # its step is relative to the size of all weights


@pytest.mark.parametrize("rule", ALONE, ids=lambda rule: type(rule).__name__)
@pytest.mark.parametrize("size", [1, 7, GRAIN - 1, 2 * GRAIN + 1])
def test_every_weight_is_updated_like_any_other(rule: UpdateRule, size: int) -> None:
    """A weight's new value depends on it alone, wherever it lies and however many there are."""
    w, diffs = blob(size), [blob(size, seed=seed) for seed in (2, 3)]
    whole = updated(rule, w, diffs, 0.1, l2=0.2)
    place = size - 1
    alone = updated(rule, w[place:].copy(), [diff[place:].copy() for diff in diffs], 0.1, l2=0.2)
    np.testing.assert_allclose([a[place] for a in whole], [a[0] for a in alone], rtol=1e-12)


@every
def test_a_rate_of_zero_moves_no_weight(rule: UpdateRule) -> None:
    w = blob(7)
    for options in ({"rate": 0.0}, {"rate": 0.1, "lr_mult": 0.0}):
        np.testing.assert_array_equal(updated(rule, w, [blob(7, seed=2)] * 2, l2=0.1, **options)[0], w)


@every
def test_a_history_does_not_stay_in_the_denormal_numbers(rule: UpdateRule) -> None:
    """Where the gradients stay 0, every array of a history ends at 0 or far above the denormal numbers."""
    w = np.ones(3, np.float32)
    kept = history(rule, w)
    now = np.full(1, 1e-3, np.float32), np.ones(2, np.float32), 1.0, 0.0, 0.0
    for size in (1e-17, 0.0):
        diff = np.full(3, size, np.float32)
        for iteration in range(600):
            driver.run(rule.update(Update(w, diff, kept, *now, np.array([iteration, 0]))), "float32")
    for name, array in kept.items():
        assert ((array == 0) | (np.abs(array) > 1e-37)).all(), name
