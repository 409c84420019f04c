"""Lion against its definition for one weight, and its decay by hand."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.solvers.lion import Lion
from tests.helpers.updates import DECAYS, Step, follow, updated


def definition(rule: Lion) -> Step:
    def step(t: int, w: float, g: float, decay: float, rate: float, kept: dict[str, float]) -> float:
        direction = np.sign(rule.momentum * kept["m"] + (1 - rule.momentum) * g)
        kept["m"] = rule.momentum2 * kept["m"] + (1 - rule.momentum2) * g
        return float(w - rate * (direction + decay))

    return step


@pytest.mark.parametrize(("l1", "l2"), DECAYS)
@pytest.mark.parametrize("rule", [Lion(), Lion(momentum=0.3, momentum2=0.7)], ids=["plain", "set"])
def test_definition(rule: Lion, l1: float, l2: float) -> None:
    follow(rule, definition(rule), l1, l2, m=0.0)


def test_the_sign_sees_another_average_than_the_one_that_is_kept() -> None:
    # m = .5 * 4 = 2; then the sign of .25 * 2 - .75 * 1 is that of the gradient, and m = .5 * 2 - .5 * 1
    rule = Lion(momentum=0.25, momentum2=0.5)
    w, m = updated(rule, np.zeros(1), [np.full(1, 4.0), np.full(1, -1.0)], 0.1)
    assert (w[0], m[0]) == (0, 0.5)


def test_without_a_gradient_only_the_decay_moves() -> None:
    w, m = updated(Lion(), np.full(1, 2.0), [np.zeros(1)], 0.1, l1=0.5, l2=0.25)
    assert (w[0], m[0]) == (pytest.approx(1.9), 0)


def test_fields() -> None:
    assert (Lion().momentum, Lion().momentum2, Lion.slots) == (0.9, 0.99, ("momentum",))  # the paper's
    for fields in ({"momentum": 1.0}, {"momentum2": 1.0}):
        with pytest.raises(ValidationError):
            Lion(**fields)
