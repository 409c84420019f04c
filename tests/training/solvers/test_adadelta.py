"""AdaDelta against Caffe's numbers, and its definition for one weight."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.solvers.adadelta import AdaDelta
from tests.helpers.updates import DECAYS, Step, follow, path, updated


def definition(rule: AdaDelta) -> Step:
    def step(t: int, w: float, g: float, decay: float, rate: float, kept: dict[str, float]) -> float:
        g += decay
        kept["h"] = rule.momentum * kept["h"] + (1 - rule.momentum) * g**2
        d = g * sqrt((rule.delta + kept["s"]) / (rule.delta + kept["h"]))
        kept["s"] = rule.momentum * kept["s"] + (1 - rule.momentum) * d**2
        return w - rate * d

    return step


def test_toy_table() -> None:
    rule = AdaDelta(momentum=0.95, delta=1e-6)
    assert path(rule, rate=1.0) == pytest.approx([0.995527909, 0.991008748, 0.986464565], abs=5e-10)


@pytest.mark.parametrize(("l1", "l2"), DECAYS)
@pytest.mark.parametrize("rule", [AdaDelta(), AdaDelta(momentum=0.8, delta=0.3)], ids=["plain", "set"])
def test_definition(rule: AdaDelta, l1: float, l2: float) -> None:
    follow(rule, definition(rule), l1, l2, h=0.0, s=0.0)


def test_numbers_that_come_out_even() -> None:
    # momentum .75, delta 1, g = 2 * sqrt(3): h = 3, d = g * sqrt(1 / 4) = sqrt(3), s = 3 / 4
    w, h, s = updated(AdaDelta(momentum=0.75, delta=1.0), np.zeros(1), [np.full(1, 2 * sqrt(3))], 0.5)
    assert (w[0], h[0], s[0]) == pytest.approx((-sqrt(3) / 2, 3, 0.75), rel=1e-14)


def test_fields() -> None:
    rule = AdaDelta()
    assert (rule.momentum, rule.delta, rule.slots) == (0, 1e-8, ("mean_square", "mean_square_step"))  # Caffe's
    for fields in ({"momentum": 1.0}, {"delta": 0.0}):
        with pytest.raises(ValidationError):
            AdaDelta(**fields)
