"""Rprop against its definition for one weight, and steps by hand."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.solvers.rprop import Rprop
from tests.helpers.updates import DECAYS, Step, follow, updated


def definition(rule: Rprop) -> Step:
    def step(t: int, w: float, g: float, decay: float, rate: float, kept: dict[str, float]) -> float:
        g += decay
        if g * kept["before"] > 0:
            kept["step"] = min(kept["step"] * rule.grow, rule.step_max)
        elif g * kept["before"] < 0:
            kept["step"] = max(kept["step"] * rule.shrink, rule.step_min)
            g = 0.0
        kept["before"] = g
        return float(w - rate * kept["step"] * np.sign(g))

    return step


@pytest.mark.parametrize(("l1", "l2"), DECAYS)
@pytest.mark.parametrize(
    "rule", [Rprop(), Rprop(step=1.5, grow=1.7, shrink=0.3, step_min=0.9, step_max=2.5)], ids=["plain", "set"]
)
def test_definition(rule: Rprop, l1: float, l2: float) -> None:
    follow(rule, definition(rule), l1, l2, before=0.0, step=rule.step)


def test_steps_by_hand() -> None:
    # + : -1; + : step 2, -2; - : step 1, the weight stays; - : nothing to compare with, +1; - : step 2, +2; 0 : stays
    rule = Rprop(step=1.0, grow=2.0, shrink=0.5)
    walked = [
        updated(rule, np.zeros(1), [np.full(1, g) for g in (5.0, 0.1, -3.0, -2.0, -1.0, 0.0)][:n], 1.0)
        for n in range(1, 7)
    ]
    assert [w[0] for w, *_ in walked] == [-1, -3, -3, -2, 0, 0]
    assert [step[0] for *_, step in walked] == [1, 2, 1, 1, 2, 2]
    assert [sign[0] for _, sign, _ in walked] == [1, 1, 0, -1, -1, 0]


def test_the_size_of_a_gradient_does_not_count() -> None:
    """Products of small gradients would be 0 in float32: signs are compared, not gradients."""
    for size in (1e-30, 1e30):
        w, *_ = updated(Rprop(), np.zeros(1, np.float32), [np.full(1, size, np.float32)] * 2, 1.0)
        assert w[0] == pytest.approx(-0.22)


def test_fields() -> None:
    rule = Rprop()
    assert (rule.step, rule.grow, rule.shrink, rule.step_min, rule.step_max) == (0.1, 1.2, 0.5, 1e-6, 50)
    for fields in ({"grow": 0.9}, {"shrink": 0.0}, {"shrink": 1.1}, {"step": 60.0}, {"step_min": 0.2}):
        with pytest.raises(ValidationError):
            Rprop(**fields)
