"""Updates of one param blob, for the tests of all solver types."""

from __future__ import annotations

import numpy as np

from netspec.codegen import driver
from netspec.core.calls import Update
from netspec.training.solvers.base import UpdateRule
from tests.helpers.checks import Array


def updated(
    rule: UpdateRule, w: Array, diffs: list[Array], rate: float, factor: float = 1.0, **options: float
) -> tuple[Array, ...]:
    """Weight and the arrays of history after one update per diff."""
    dtype, w = str(w.dtype), w.copy()
    kept = history(rule, w)
    settings = {"lr_mult": 1.0, "l1": 0.0, "l2": 0.0} | options
    for iteration, diff in enumerate(diffs):
        gate, clock = np.array([1, factor], dtype), np.array([iteration, 0])
        driver.run(rule.update(Update(w, diff, kept, np.array([rate], dtype), gate, clock=clock, **settings)), dtype)
    return (w, *kept.values())


def history(rule: UpdateRule, w: Array) -> dict[str, Array]:
    """The state of a solver type for one param, at its first values."""
    (slots,) = rule.state([w.shape]).params
    kinds = {name: w.dtype if slot.kind == "real" else slot.kind for name, slot in slots.items()}
    return {name: np.full(slot.shape, slot.start, kinds[name]) for name, slot in slots.items()}


def path(rule: UpdateRule, steps: int = 3, rate: float = 0.1, **options: float) -> list[float]:
    """The weights on the way down from w = 1, where the loss is w^2/2."""
    found, w = [], np.ones(1)
    kept, settings = history(rule, w), {"lr_mult": 1.0, "l1": 0.0, "l2": 0.0} | options
    for iteration in range(steps):
        one = Update(w, w.copy(), kept, np.array([rate]), np.ones(2), clock=np.array([iteration, 0]), **settings)
        driver.run(rule.update(one), "float64")
        found.append(float(w[0]))
    return found
