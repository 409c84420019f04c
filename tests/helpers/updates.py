"""Updates of one param blob, for the tests of all solver types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


DECAYS = [(0.0, 0.0), (0.0, 0.3), (0.2, 0.0), (0.2, 0.3)]
"""(l1, l2)."""

Step = Callable[[int, float, float, float, float, dict[str, float]], float]
"""The new value of one weight, from t (1, 2, ...), w, the gradient, its decay, the rate, and what the rule keeps."""


def follow(rule: UpdateRule, definition: Step, /, l1: float, l2: float, **start: float) -> None:
    """Compare 20 steps of a rule with its definition for one weight, on 15 weights in valleys of their own.

    The gradient of a weight w is steep * (w - bottom) + cos(3 w) / 4, less what makes it 0 at the start in one place;
    one weight starts at 0. The rate falls; lr_mult and the factor on the gradients are not 1. `start` is what the
    definition keeps for each weight.
    """
    shape, lr_mult, factor = (5, 3), 2.0, 0.25
    steep, bottom = np.geomspace(0.05, 5, 15).reshape(shape), np.linspace(-1, 2, 15).reshape(shape)

    def slope(w: Any) -> Any:
        return steep * (w - bottom) + np.cos(3 * w) / 4

    first = np.sin(np.arange(15.0)).reshape(shape)
    shift = np.zeros(shape)
    shift[2, 1] = slope(first)[2, 1]
    for dtype, near in (("float64", {"rtol": 1e-12, "atol": 1e-14}), ("float32", {"rtol": 2e-4, "atol": 2e-5})):
        w, expected = first.astype(dtype), first.copy()
        kept, states = history(rule, w), [dict(start) for _ in range(15)]
        for t in range(20):
            rate, gradient = 0.05 / (1 + 0.1 * t), slope(expected) - shift
            now = np.array([rate], dtype), np.array([1, factor], dtype), lr_mult, l1, l2, np.array([t, 0])
            driver.run(rule.update(Update(w, (gradient / factor).astype(dtype), kept, *now)), dtype)
            for at, state in enumerate(states):
                value, g = expected.flat[at], gradient.flat[at]
                decay = l2 * value + l1 * np.sign(value)
                expected.flat[at] = definition(t + 1, value, g, decay, lr_mult * rate, state)
            np.testing.assert_allclose(w, expected, **near, err_msg=f"{dtype}, step {t + 1}")
