"""Every lr policy against Caffe's numbers and rules."""

from __future__ import annotations

from math import exp, inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from netspec.core.counts import Pace
from netspec.training.course import Course
from netspec.training.policies.base import POLICIES, Policy

PACE = Pace(epoch=10, iteration=4)
"""10 samples in batches of 4: epochs end at iterations 3, 5, 8, 10, ..."""


def policy(type: str, **fields: Any) -> Policy:
    return POLICIES.get(type).model_validate({key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()})


def rate(type: str, iter: int, base_lr: float = 1.0, max_iter: int = 10_000, **fields: Any) -> float:
    return policy(type, **fields).rate(iter, Course(base_lr, max_iter, PACE))


def test_all_of_caffes_policies_are_there() -> None:
    assert {"fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid"} <= set(POLICIES.words())


def test_fixed() -> None:
    assert rate("fixed", 0, 0.3) == rate("fixed", 10**6, 0.3) == 0.3


def test_step() -> None:
    rates = [rate("step", t, 8, gamma=0.5, stepsize=3) for t in range(7)]
    assert rates == [8, 8, 8, 4, 4, 4, 2]


def test_exp() -> None:
    assert [rate("exp", t, 8, gamma=0.5) for t in range(4)] == [8, 4, 2, 1]


def test_inv_of_lenet() -> None:
    known = {0: 0.01, 100: 0.00992565, 500: 0.00964069, 1000: 0.00931012, 5000: 0.00737788, 10000: 0.00594604}
    assert {t: round(rate("inv", t, 0.01, gamma=1e-4, power=0.75), 8) for t in known} == known


def test_poly() -> None:
    assert rate("poly", 1_200_000, 0.01, 2_400_000, power=0.5) == pytest.approx(0.00707107, abs=1e-8)
    assert [rate("poly", t, 4, 4, power=1) for t in range(6)] == [4, 3, 2, 1, 0, 0]
    assert rate("poly", 9, 4, 4, power=0.5) == 0


def test_sigmoid() -> None:
    assert rate("sigmoid", 50, gamma=0.1, stepsize=50) == 0.5
    assert rate("sigmoid", 70, 3, gamma=0.1, stepsize=50) == pytest.approx(3 / (1 + exp(-2)))


@given(st.lists(st.integers(0, 12), min_size=1, max_size=6).map(sorted))
def test_multistep_takes_one_step_an_iteration(stepvalue: list[int]) -> None:
    steps, expected = 0, []
    for t in range(20):  # Caffe's own loop, sgd_solver.cpp
        if steps < len(stepvalue) and t >= stepvalue[steps]:
            steps += 1
        expected.append(0.5**steps)
    assert [rate("multistep", t, gamma=0.5, stepvalue=stepvalue) for t in range(20)] == expected


def test_multistep_of_equal_steps() -> None:
    rates = [rate("multistep", t, gamma=0.1, stepvalue=[10, 10, 10]) for t in (9, 10, 11, 12, 13)]
    assert rates == pytest.approx([1, 0.1, 0.01, 0.001, 0.001])
    assert rate("multistep", 0, gamma=0.1, stepvalue=[0]) == 0.1
    assert rate("multistep", 7, gamma=0.1, stepvalue=5) == 0.1


def test_what_is_too_large_is_infinite() -> None:
    assert rate("exp", 10_000, gamma=2.0) == inf
    assert rate("step", 10_000, gamma=2.0, stepsize=1) == inf
    assert rate("inv", 10**6, gamma=1e6, power=-1e3) == inf
    assert rate("sigmoid", 0, gamma=1e3, stepsize=10**6) == 0


@pytest.mark.parametrize(
    ("type", "fields", "where"),
    [
        ("step", {"gamma": -0.1, "stepsize": 3}, "gamma"),
        ("step", {"gamma": 0.1, "stepsize": 0}, "stepsize"),
        ("step", {"gamma": inf, "stepsize": 3}, "gamma"),
        ("step", {"gamma": 0.1}, "stepsize"),
        ("exp", {"gamma": -0.1}, "gamma"),
        ("inv", {"gamma": -0.1, "power": 1.0}, "gamma"),
        ("poly", {"power": -1.0}, "power"),
        ("sigmoid", {"gamma": -0.1, "stepsize": 3}, "gamma"),
        ("sigmoid", {"gamma": 0.1, "stepsize": 0}, "stepsize"),
        ("multistep", {"gamma": 0.1, "stepvalue": [5, -1]}, "stepvalue"),
        ("fixed", {"gamma": 0.1}, "gamma"),
    ],
)
def test_bounds(type: str, fields: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        policy(type, **fields)
    assert [problem["loc"][0] for problem in caught.value.errors()] == [where]


def test_multistep_must_rise() -> None:
    with pytest.raises(ValidationError, match="`stepvalue` must rise, but 5 follows 10"):
        policy("multistep", gamma=0.1, stepvalue=[10, 5])


def test_every_field_is_described() -> None:
    for member in POLICIES.members():
        assert member.__doc__
        assert all(field.description for field in member.model_fields.values()), member
