"""Adam against Caffe's numbers, and its definition for one weight."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.codegen import driver
from netspec.core.calls import Update
from netspec.training.solvers.adam import Adam
from tests.helpers.updates import DECAYS, Step, follow, path, updated


def definition(rule: Adam) -> Step:
    def step(t: int, w: float, g: float, decay: float, rate: float, kept: dict[str, float]) -> float:
        g += decay
        kept["m"] = rule.momentum * kept["m"] + (1 - rule.momentum) * g
        kept["v"] = rule.momentum2 * kept["v"] + (1 - rule.momentum2) * g**2
        corrected = rate * sqrt(1 - rule.momentum2**t) / (1 - rule.momentum**t)
        return w - corrected * kept["m"] / (sqrt(kept["v"]) + rule.delta)

    return step


def test_toy_table() -> None:
    assert path(Adam(momentum=0.9)) == pytest.approx([0.900000032, 0.800412283, 0.701586346], abs=5e-10)


@pytest.mark.parametrize(("l1", "l2"), DECAYS)
@pytest.mark.parametrize("rule", [Adam(), Adam(momentum=0.8, momentum2=0.9, delta=0.3)], ids=["plain", "set"])
def test_definition(rule: Adam, l1: float, l2: float) -> None:
    follow(rule, definition(rule), l1, l2, m=0.0, v=0.0)


def test_numbers_that_come_out_even() -> None:
    # momentum .5, momentum2 .75, delta 1, g = 2 and then 4: m = 1, v = 1, .1 * sqrt(1/4) / (1/2) * 1 / (1 + 1) = .05;
    # m = 2.5, v = 4.75, .1 * sqrt(7/16) / (3/4) * 2.5 / (sqrt(4.75) + 1)
    rule = Adam(momentum=0.5, momentum2=0.75, delta=1.0)
    w, m, v = updated(rule, np.ones(1), [np.full(1, 2.0)], 0.1)
    assert (w[0], m[0], v[0]) == (pytest.approx(0.95, rel=1e-14), 1, 1)
    w, m, v = updated(rule, np.ones(1), [np.full(1, 2.0), np.full(1, 4.0)], 0.1)
    assert (m[0], v[0]) == (2.5, 4.75)
    assert w[0] == pytest.approx(0.95 - 0.1 * sqrt(7) / 3 * 2.5 / (sqrt(4.75) + 1), rel=1e-14)


def test_bias_corrections_of_float32_are_computed_in_float64() -> None:
    """0.999 is 0.99900001 in float32: 1 - 0.999 would be off by 1e-5, and with it the first step."""
    start = np.array([0.0], np.float32)
    w, *_ = updated(Adam(momentum2=0.999), start, [np.full(1, 3.0, np.float32)], 0.1)
    assert w[0] == pytest.approx(-0.1, rel=2e-7)


def test_after_many_iterations_the_corrections_are_gone() -> None:
    rule = Adam(momentum=0.9, delta=0.5)
    w, m, v = (np.full(1, value) for value in (1.0, 0.2, 0.09))
    now = np.array([0.1]), np.ones(2), 1.0, 0.0, 0.0, np.array([10**9, 0])
    driver.run(rule.update(Update(w, np.full(1, 0.2), {"mean": m, "mean_square": v}, *now)), "float64")
    assert w[0] == pytest.approx(1 - 0.1 * 0.2 / (sqrt(0.999 * 0.09 + 0.001 * 0.04) + 0.5), rel=1e-14)


def test_fields() -> None:
    rule = Adam()
    assert (rule.momentum, rule.momentum2, rule.delta, rule.slots) == (0, 0.999, 1e-8, ("mean", "mean_square"))
    for fields in ({"momentum": 1.0}, {"momentum2": -0.1}, {"momentum2": 1.0}, {"delta": 0.0}, {"delta": 1e19}):
        with pytest.raises(ValidationError):
            Adam(**fields)
