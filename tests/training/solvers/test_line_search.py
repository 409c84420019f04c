"""Line searches: steps fulfil the conditions, on the functions that Moré & Thuente made for this."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from netspec.training.solvers._line_search import Line, Wolfe, backtracking, strong_wolfe
from tests.helpers.checks import Array
from tests.helpers.objectives import Plain

Slope = Callable[[float], tuple[float, float]]


def first(t: float, b: float = 2.0) -> tuple[float, float]:
    """Moré & Thuente 1994, (5.1)."""
    return -t / (t * t + b), (t * t - b) / (t * t + b) ** 2


def second(t: float, b: float = 0.004) -> tuple[float, float]:
    """(5.2)."""
    return (t + b) ** 5 - 2 * (t + b) ** 4, 5 * (t + b) ** 4 - 8 * (t + b) ** 3


def yanai(low: float, high: float) -> Slope:
    """(5.4)."""

    def g(b: float) -> float:
        return float(np.sqrt(1 + b * b) - b)

    def f(t: float) -> tuple[float, float]:
        one, other = np.sqrt((1 - t) ** 2 + high**2), np.sqrt(t * t + low**2)
        return float(g(low) * one + g(high) * other), float(g(low) * (t - 1) / one + g(high) * t / other)

    return f


FUNCTIONS = {
    "5.1": first,
    "5.2": second,
    "5.4": yanai(0.001, 0.001),
    "5.5": yanai(0.01, 0.001),
    "5.6": yanai(0.001, 0.01),
}


def line(f: Slope, direction: float = 1.0) -> Line:
    """The line from 0 along a direction."""

    def function(w: Array) -> tuple[float, Array]:
        loss, slope = f(float(w[0]))
        return loss, np.array([slope])

    return Line(Plain(function, np.zeros(1)), np.array([direction]))


@pytest.mark.parametrize("step", [1e-3, 1e-1, 1.0, 1e1, 1e3])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(("armijo", "curvature"), [(1e-4, 0.9), (1e-3, 0.1), (0.1, 0.2)])
def test_both_conditions_hold(name: str, step: float, armijo: float, curvature: float) -> None:
    f = FUNCTIONS[name]
    (begin, slope), found = f(0.0), strong_wolfe(line(f), step, Wolfe(armijo, curvature, 40))
    assert (found.loss, found.slope) == f(found.step) and found.step > 0
    assert found.loss <= begin + armijo * found.step * slope
    assert abs(found.slope) <= curvature * abs(slope)


@pytest.mark.parametrize("search", ["backtracking", "strong_wolfe"])
def test_where_the_loss_is_no_number_the_step_is_too_long(search: str) -> None:
    def f(t: float) -> tuple[float, float]:
        return (float("inf"), float("nan")) if t > 1 else ((t - 0.3) ** 2, 2 * (t - 0.3))

    if search == "backtracking":
        assert backtracking(line(f), 64.0, 1e-4, 25) == 0.5
    else:
        assert 0 < strong_wolfe(line(f), 64.0, Wolfe(1e-4, 0.1, 25)).step < 0.6


def test_a_step_is_halved_until_the_loss_falls_enough() -> None:
    def f(t: float) -> tuple[float, float]:  # the loss is back where it was at 2
        return t * t / 2 - t, t - 1

    assert backtracking(line(f), 8.0, 1e-4, 25) == 1  # 2 - 2 = 0 is not below 0 - 2e-4
    assert backtracking(line(f), 8.0, 1e-4, 3) == 0
    assert backtracking(line(f), 0.125, 1e-4, 1) == 0.125


def test_without_a_lower_point_it_stays() -> None:
    up = line(lambda t: (t, 1.0), direction=1.0)
    assert backtracking(up, 1.0, 1e-4, 60) == 0
    begin = line(lambda t: (abs(t), -1.0))  # a slope that promises what the loss does not keep
    assert strong_wolfe(begin, 1.0, Wolfe(1e-4, 0.9, 30)).step == 0
    falling = line(lambda t: (-t, -1.0))  # for ever
    assert 100 < strong_wolfe(falling, 1.0, Wolfe(1e-4, 0.9, 5)).step < 10**4
