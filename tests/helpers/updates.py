"""Updates of one param blob, for the tests of all solver types."""

from __future__ import annotations

import numpy as np

from netspec.codegen import driver
from netspec.core.calls import Update
from netspec.training.solvers.base import UpdateRule
from tests.helpers.checks import Array


def updated(
    rule: UpdateRule, w: Array, diffs: list[Array], rate: float, factor: float = 1.0, **options: float
) -> tuple[Array, Array]:
    """Weight and history (the one slot that each type has) after one update per diff."""
    dtype, w = str(w.dtype), w.copy()
    (h,) = history = tuple(np.zeros_like(w) for _ in range(rule.slots))
    state = {"lr_mult": 1.0, "l1": 0.0, "l2": 0.0} | options
    for diff in diffs:
        gate = np.array([1, factor], dtype)
        driver.run(rule.update(Update(w, diff, history, np.array([rate], dtype), gate, **state)), dtype)
    return w, h


def path(rule: UpdateRule, steps: int = 3, rate: float = 0.1, **options: float) -> list[float]:
    """The weights on the way down from w = 1, where the loss is w^2/2."""
    found, w, history = [], np.ones(1), tuple(np.zeros(1) for _ in range(rule.slots))
    state = {"lr_mult": 1.0, "l1": 0.0, "l2": 0.0} | options
    for _ in range(steps):
        driver.run(rule.update(Update(w, w.copy(), history, np.array([rate]), np.ones(2), **state)), "float64")
        found.append(float(w[0]))
    return found
