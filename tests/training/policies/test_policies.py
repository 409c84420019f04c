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


STRAIGHT = {"div_factor": 4.0, "final_div_factor": 4.0, "anneal_strategy": "linear"}


def policy(type: str, **fields: Any) -> Policy:
    return POLICIES.get(type).model_validate({key: tuple(v) if isinstance(v, list) else v for key, v in fields.items()})


def rate(type: str, iter: int, base_lr: float = 1.0, max_iter: int = 10_000, **fields: Any) -> float:
    return policy(type, **fields).rate(iter, Course(base_lr, max_iter, PACE))


def test_all_of_caffes_policies_are_there() -> None:
    assert {"fixed", "step", "exp", "inv", "multistep", "poly", "sigmoid"} <= set(POLICIES.words())


TABLES: list[tuple[dict[str, Any], list[float]]] = [
    ({"type": "cosine"}, [8, 4 + 8**0.5, 4, 4 - 8**0.5, 0, 0, 0]),  # cos 45 degrees is sqrt(1/2)
    ({"type": "cosine", "length": 2}, [8, 4, 8, 4, 8, 4, 8]),
    ({"type": "cosine", "length": 2, "growth": 2, "min_lr": 2}, [8, 5, 8, 5 + 4.5**0.5, 5, 5 - 4.5**0.5, 8]),
    ({"type": "cosine", "length": "1 epochs"}, [8, 6, 2, 8, 4, 8, 6]),  # epochs end at 3, 5, 8
    ({"type": "linear"}, [8, 6, 4, 2, 0, 0, 0]),
    ({"type": "linear", "length": 2, "min_lr": 4}, [8, 6, 4, 4, 4, 4, 4]),
    ({"type": "linear", "length": "2 epochs", "min_lr": 3}, [8, 7, 6, 5, 4, 3, 3]),
    ({"type": "inverse_sqrt", "timescale": 1}, [8, 8, 32**0.5, (64 / 3) ** 0.5, 4, (64 / 5) ** 0.5, (64 / 6) ** 0.5]),
    ({"type": "inverse_sqrt", "timescale": "1 epoch"}, [8, 8, 8, 8, 48**0.5, (192 / 5) ** 0.5, 32**0.5]),
    ({"type": "inverse_time", "timescale": 2}, [8, 16 / 3, 4, 16 / 5, 8 / 3, 16 / 7, 2]),
    ({"type": "step", "gamma": 0.5, "stepsize": "1 epochs"}, [8, 8, 8, 4, 4, 2, 2]),
    ({"type": "multistep", "gamma": 0.5, "stepvalue": [1, "1 epoch", 6]}, [8, 4, 4, 2, 2, 2, 1]),
    ({"type": "sigmoid", "gamma": 1000.0, "stepsize": "1 epoch"}, [0, 0, 0, 4, 8, 8, 8]),
    ({"type": "triangular", "stepsize": 2, "max_lr": 12}, [8, 10, 12, 10, 8, 10, 12]),
    ({"type": "triangular", "stepsize": 1, "max_lr": 12, "mode": "triangular2"}, [8, 12, 8, 10, 8, 9, 8]),
    (
        {"type": "triangular", "stepsize": 1, "max_lr": 12, "mode": "exp_range", "gamma": 0.5},
        [8, 10, 8, 8.5, 8, 8.125, 8],
    ),
    ({"type": "triangular", "stepsize": "1 epoch", "max_lr": 14}, [8, 10, 12, 14, 11, 8, 10]),
    ({"type": "one_cycle", "length": 6, "pct_start": 0.5, **STRAIGHT}, [2, 5, 8, 8 - 22.5 / 9, 3, 0.5, 0.5]),
    (
        {"type": "one_cycle", "length": 7, "pct_start": 3 / 7, "three_phase": True, **STRAIGHT},
        [2, 5, 8, 5, 2, 1.25, 0.5],
    ),
    ({"type": "piecewise", "points": [{"at": 2, "rate": 4}, {"at": 4, "rate": 1}]}, [8, 6, 4, 2.5, 1, 1, 1]),
    (
        {"type": "piecewise", "points": [{"at": 0, "rate": 2}, {"at": "1 epoch", "rate": 5}, {"at": 6, "rate": 0}]},
        [2, 3, 4, 5, 10 / 3, 5 / 3, 0],
    ),
    (
        {"type": "piecewise", "interpolation": "steps", "points": [{"at": 2, "rate": 4}, {"at": "1 epoch", "rate": 1}]},
        [8, 8, 4, 1, 1, 1, 1],
    ),
]
"""Policies with base_lr 8, trained for 4 iterations at PACE, and their first seven rates, worked by hand."""


@pytest.mark.parametrize(("fields", "expected"), TABLES)
def test_rates_worked_by_hand(fields: dict[str, Any], expected: list[float]) -> None:
    rates = [rate(iter=t, base_lr=8.0, max_iter=4, **fields) for t in range(7)]
    assert rates == pytest.approx(expected, rel=1e-14, abs=1e-14)


def test_a_cycle_of_waves() -> None:
    rates = [rate("one_cycle", t, 8.0, 5, pct_start=0.6, div_factor=4.0, final_div_factor=4.0) for t in range(7)]
    assert rates == pytest.approx([2, 5, 8, 4.25, 0.5, 0.5, 0.5], rel=1e-14)


ENDS = [
    ({"type": "cosine", "min_lr": 1e-9}, 0.1, 1e-9),
    ({"type": "linear", "min_lr": 1e-9}, 0.1, 1e-9),
    ({"type": "one_cycle", "div_factor": 3.0, "final_div_factor": 7.0}, 0.1 / 3, 0.1 / 3 / 7),
    ({"type": "poly", "power": 0.7}, 0.1, 0.0),
    ({"type": "piecewise", "points": [{"at": 9, "rate": 0.3}]}, 0.1, 0.3),
]


@pytest.mark.parametrize(("fields", "first", "last"), ENDS)
@pytest.mark.parametrize("length", [9, 10**9])
def test_ends_are_exact_and_the_end_stays(fields: dict[str, Any], first: float, last: float, length: int) -> None:
    rates = [rate(iter=t, base_lr=0.1, max_iter=length, **fields) for t in (0, length, length + 1, 10**12)]
    assert rates == [first, last, last, last]


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("fields", [{}, {"three_phase": True}, {"anneal_strategy": "linear", "pct_start": 0.9}])
def test_a_cycle_that_is_too_short_for_a_rise(length: int, fields: dict[str, Any]) -> None:
    rates = [rate("one_cycle", t, 8.0, length, **fields) for t in range(5)]
    assert all(0 < one <= 8 for one in rates) and rates[length - 1 :] == [8 / 25 / 1e4] * (6 - length)


@given(
    fields=st.sampled_from([fields for fields, _ in TABLES]),
    iter=st.integers(0, 10**15),
    base_lr=st.sampled_from([1e-300, 0.1, 1e300]),
    max_iter=st.sampled_from([1, 4, 10**15]),
)
def test_rates_are_finite_and_not_negative(fields: dict[str, Any], iter: int, base_lr: float, max_iter: int) -> None:
    one = rate(iter=iter, base_lr=base_lr, max_iter=max_iter, **fields)
    assert 0 <= one <= max(base_lr, fields.get("max_lr", 0), fields.get("min_lr", 0), 5)


def test_an_epoch_that_is_shorter_than_an_iteration() -> None:
    course = Course(8.0, 4, Pace(epoch=3, iteration=4))  # epochs end at iterations 1, 2, 3, 3, 4, ...
    rates = [policy("cosine", length="1 epoch").rate(t, course) for t in range(6)]
    assert rates == [8] * 6
    assert [policy("step", gamma=0.5, stepsize="1 epoch").rate(t, course) for t in range(5)] == [8, 4, 2, 0.5, 0.25]


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
        ("cosine", {"length": "0 epochs"}, "length"),
        ("cosine", {"growth": 0}, "growth"),
        ("cosine", {"growth": 1.5}, "growth"),
        ("linear", {"min_lr": -0.1}, "min_lr"),
        ("one_cycle", {"pct_start": 1.0}, "pct_start"),
        ("triangular", {"stepsize": 3}, "max_lr"),
        ("plateau", {"metric": "validation/loss"}, "mode"),
        ("plateau", {"metric": "validation/loss", "mode": "min", "factor": 1.0}, "factor"),
        ("piecewise", {"points": []}, "points"),
    ],
)
def test_bounds(type: str, fields: dict[str, Any], where: str) -> None:
    with pytest.raises(ValidationError) as caught:
        policy(type, **fields)
    assert [problem["loc"][0] for problem in caught.value.errors()] == [where]


def test_multistep_must_rise() -> None:
    with pytest.raises(ValidationError, match="`stepvalue` must rise, but 5 follows 10"):
        policy("multistep", gamma=0.1, stepvalue=[10, 5])


@pytest.mark.parametrize(
    ("type", "fields", "text"),
    [
        ("piecewise", {"points": [{"at": 5, "rate": 1}, {"at": 5, "rate": 2}]}, "`points` must rise, but 5 follows 5"),
        ("triangular", {"stepsize": 3, "max_lr": 1, "gamma": 0.5}, "`gamma` goes with `mode: exp_range`"),
        ("triangular", {"stepsize": 3, "max_lr": 1, "mode": "exp_range"}, "`gamma` goes with `mode: exp_range`"),
        ("one_cycle", {"three_phase": True, "pct_start": 0.6}, "`pct_start` is at most 0.5"),
        ("cosine", {"growth": 2}, "`growth` needs a `length`: without it there is only one period"),
    ],
)
def test_fields_that_contradict_each_other(type: str, fields: dict[str, Any], text: str) -> None:
    with pytest.raises(ValidationError, match=text):
        policy(type, **fields)


def test_every_field_is_described() -> None:
    for member in POLICIES.members():
        assert member.__doc__
        assert all(field.description for field in member.model_fields.values()), member
