"""Warm-up: its factors, and how it joins a policy."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from netspec.core.counts import Pace
from netspec.training.course import Course
from netspec.training.spec import SolverSpec
from netspec.training.warmup import Warmup

PACE = Pace(epoch=10, iteration=4)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"length": 4, "from": 0.2}, [0.2, 0.4, 0.6, 0.8, 1, 1, 1]),
        ({"length": 4, "from": 0}, [0, 0.25, 0.5, 0.75, 1, 1, 1]),
        ({"length": 3}, [0.1, 0.4, 0.7, 1, 1, 1, 1]),
        ({"length": "2 epochs", "from": 0.5}, [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1]),
        ({"type": "exp", "length": 2, "from": 0.01}, [0.01, 0.1, 1, 1, 1, 1, 1]),
        ({"type": "exp", "length": 4, "from": 1}, [1, 1, 1, 1, 1, 1, 1]),
        ({"length": 1, "from": 0.3}, [0.3, 1, 1, 1, 1, 1, 1]),
    ],
)
def test_factors(fields: dict[str, Any], expected: list[float]) -> None:
    factors = [Warmup.model_validate(fields).factor(t, PACE) for t in range(7)]
    assert factors == pytest.approx(expected, rel=1e-15)
    assert factors[0] == expected[0] and [one for one in factors if one == 1] == [one for one in expected if one == 1]


def test_the_clock_of_the_policy_is_not_shifted() -> None:
    plain = SolverSpec.model_validate({"base_lr": 0.3, "lr_policy": "cosine", "max_iter": 8, "rule": {}})
    both = plain.model_copy(update={"warmup": Warmup.model_validate({"length": 4, "from": 0.25})})
    course = Course(0.3, 8, PACE)
    rates = [(plain.rate(t, course), both.rate(t, course)) for t in range(10)]
    assert [b / a for a, b in rates[:4]] == pytest.approx([0.25, 0.4375, 0.625, 0.8125])
    assert all(a == b for a, b in rates[4:])
    assert rates[0][1] == 0.25 * 0.3


@pytest.mark.parametrize(
    "fields",
    [
        {"length": 4, "from": -0.1},
        {"length": 4, "from": 1.1},
        {"length": 0},
        {"from": 0.1},
        {"length": 4, "type": "cos"},
        {"length": 4, "start": 0.1},
        {"length": 4, "type": "exp", "from": 0},
    ],
)
def test_bounds(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Warmup.model_validate(fields)
