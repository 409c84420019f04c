"""AdamW against its definition for one weight, and its decay by hand."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.solvers.adamw import AdamW
from tests.helpers.updates import DECAYS, Step, follow, updated


def definition(rule: AdamW) -> Step:
    def step(t: int, w: float, g: float, decay: float, rate: float, kept: dict[str, float]) -> float:
        kept["m"] = rule.momentum * kept["m"] + (1 - rule.momentum) * g
        kept["v"] = rule.momentum2 * kept["v"] + (1 - rule.momentum2) * g**2
        m, v = kept["m"] / (1 - rule.momentum**t), kept["v"] / (1 - rule.momentum2**t)
        return w - rate * (m / (sqrt(v) + rule.delta) + decay)

    return step


@pytest.mark.parametrize(("l1", "l2"), DECAYS)
@pytest.mark.parametrize("rule", [AdamW(), AdamW(momentum=0.8, momentum2=0.9, delta=0.3)], ids=["plain", "set"])
def test_definition(rule: AdamW, l1: float, l2: float) -> None:
    follow(rule, definition(rule), l1, l2, m=0.0, v=0.0)


def test_the_decay_is_beside_the_gradient() -> None:
    # without a gradient only the decay moves w, by rate * (l1 + l2 * w), and the averages stay 0
    w, m, v = updated(AdamW(), np.full(1, 2.0), [np.zeros(1)] * 2, 0.1, l1=0.5, l2=0.25)
    first = 2 - 0.1 * (0.5 + 0.25 * 2)
    assert w[0] == pytest.approx(first - 0.1 * (0.5 + 0.25 * first), rel=1e-14)
    assert m[0] == v[0] == 0


def test_a_rate_of_zero_keeps_the_decay_out_of_the_averages() -> None:
    w, m, v = updated(AdamW(), np.ones(1), [np.full(1, 2.0)], 0.0, l2=0.5)
    assert (w[0], m[0], v[0]) == (1, pytest.approx(0.2), pytest.approx(0.004))


def test_fields() -> None:
    rule = AdamW()
    assert (rule.momentum, rule.momentum2, rule.delta) == (0.9, 0.999, 1e-8)  # the paper's
    with pytest.raises(ValidationError):
        AdamW(delta=1e-19)
