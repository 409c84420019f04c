"""AdaMax against its definition for one weight, and numbers by hand."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.solvers.adamax import AdaMax
from tests.helpers.updates import DECAYS, Step, follow, updated


def definition(rule: AdaMax) -> Step:
    def step(t: int, w: float, g: float, decay: float, rate: float, kept: dict[str, float]) -> float:
        g += decay
        kept["m"] = rule.momentum * kept["m"] + (1 - rule.momentum) * g
        kept["u"] = max(rule.momentum2 * kept["u"], abs(g) + rule.delta)
        return w - rate / (1 - rule.momentum**t) * kept["m"] / kept["u"]

    return step


@pytest.mark.parametrize(("l1", "l2"), DECAYS)
@pytest.mark.parametrize("rule", [AdaMax(), AdaMax(momentum=0.8, momentum2=0.5, delta=0.3)], ids=["plain", "set"])
def test_definition(rule: AdaMax, l1: float, l2: float) -> None:
    follow(rule, definition(rule), l1, l2, m=0.0, u=0.0)


def test_numbers_that_come_out_even() -> None:
    # g = 4, then 1: u = 4, then max(.5 * 4, 1) = 2; m = 2, then 1.5; 1 - momentum^t = 1/2, then 3/4
    rule = AdaMax(momentum=0.5, momentum2=0.5, delta=1e-30)
    w, m, u = updated(rule, np.zeros(1), [np.full(1, 4.0), np.full(1, 1.0)], 0.3)
    assert (m[0], u[0]) == (1.5, 2)
    assert w[0] == pytest.approx(-0.3 / 0.5 * 2 / 4 - 0.3 / 0.75 * 1.5 / 2, rel=1e-14)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_gradient_that_is_always_zero_moves_nothing(dtype: str) -> None:
    w, *_ = updated(AdaMax(delta=1e-30), np.ones(3, dtype), [np.zeros(3, dtype)] * 2, 0.1)
    assert (w == 1).all()


def test_fields() -> None:
    assert (AdaMax().momentum, AdaMax().momentum2, AdaMax().delta) == (0.9, 0.999, 1e-8)
    for fields in ({"momentum": 1.0}, {"momentum2": 1.0}, {"delta": 0.0}):
        with pytest.raises(ValidationError):
            AdaMax(**fields)
