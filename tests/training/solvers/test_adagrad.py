"""AdaGrad against Caffe's numbers, and its definition for one weight."""

from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.solvers.adagrad import AdaGrad
from tests.helpers.updates import DECAYS, Step, follow, path, updated


def definition(rule: AdaGrad) -> Step:
    def step(t: int, w: float, g: float, decay: float, rate: float, kept: dict[str, float]) -> float:
        g += decay
        kept["h"] += g**2
        return w - rate * g / (sqrt(kept["h"]) + rule.delta)

    return step


def test_toy_table() -> None:
    assert path(AdaGrad()) == pytest.approx([0.9, 0.833103528, 0.780456183], abs=2e-9)


@pytest.mark.parametrize(("l1", "l2"), DECAYS)
@pytest.mark.parametrize("rule", [AdaGrad(), AdaGrad(delta=0.3)], ids=["plain", "set"])
def test_definition(rule: AdaGrad, l1: float, l2: float) -> None:
    follow(rule, definition(rule), l1, l2, h=0.0)


def test_numbers_that_come_out_even() -> None:
    # g = 3, then 4: sqrt(9) = 3, then sqrt(9 + 16) = 5
    w, h = updated(AdaGrad(delta=1.0), np.zeros(1), [np.full(1, 3.0), np.full(1, 4.0)], 0.1)
    assert (w[0], h[0]) == (pytest.approx(-0.1 * (3 / 4 + 4 / 6), rel=1e-14), 25)


def test_fields() -> None:
    assert (AdaGrad().delta, AdaGrad.slots) == (1e-8, ("sum_of_squares",))  # Caffe's
    for fields in ({"delta": 0.0}, {"momentum": 0.0}):
        with pytest.raises(ValidationError):
            AdaGrad(**fields)
