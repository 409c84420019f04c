"""RAdam against its definition for one weight, before and after the mean square is trusted."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.solvers.radam import RAdam
from tests.helpers.updates import DECAYS, Step, follow, updated


def definition(rule: RAdam) -> Step:
    def step(t: int, w: float, g: float, decay: float, rate: float, kept: dict[str, float]) -> float:
        g += decay
        kept["m"] = rule.momentum * kept["m"] + (1 - rule.momentum) * g
        kept["v"] = rule.momentum2 * kept["v"] + (1 - rule.momentum2) * g**2
        mean, bias = kept["m"] / (1 - rule.momentum**t), 1 - rule.momentum2**t
        most = 2 / (1 - rule.momentum2) - 1
        length = most - 2 * t * rule.momentum2**t / bias
        if length <= 5:
            return w - rate * mean
        rectified = sqrt((length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length))
        return w - rate * rectified * mean * sqrt(bias) / (sqrt(kept["v"]) + rule.delta)

    return step


@pytest.mark.parametrize(("l1", "l2"), DECAYS)
@pytest.mark.parametrize(
    "rule",
    [RAdam(), RAdam(momentum=0.8, momentum2=0.9, delta=0.3), RAdam(momentum2=0.5)],
    ids=["plain", "set", "never trusted"],  # momentum2 = .5 stands for 3 gradients, at most
)
def test_definition(rule: RAdam, l1: float, l2: float) -> None:
    follow(rule, definition(rule), l1, l2, m=0.0, v=0.0)


def test_the_first_five_steps_do_not_look_at_the_mean_square() -> None:
    # momentum 0: steps of rate * g, until the sixth, where v stands for 5.99 gradients
    for steps in (5, 6):
        diffs = [np.full(1, 3.0)] * steps
        w, *_ = updated(RAdam(momentum=0.0), np.zeros(1), diffs, 0.01)
        assert (w[0] == pytest.approx(-0.03 * steps)) == (steps == 5)


def test_fields() -> None:
    rule = RAdam()
    assert (rule.momentum, rule.momentum2, rule.delta) == (0.9, 0.999, 1e-8)
    with pytest.raises(ValidationError):
        RAdam(momentum2=1.0)
