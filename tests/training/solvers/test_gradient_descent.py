"""GradientDescent by hand, and with a slope that is small at the end of each step."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.solvers.gradient_descent import GradientDescent
from tests.helpers.objectives import Plain, quadratic, rosenbrock


def test_the_rate_is_halved_by_hand() -> None:
    """On w^2/2 from 1 the step t leads to 1 - t: 4 and 2 are too long, and 1 leads to the minimum."""
    one = Plain(quadratic(np.eye(1)), np.ones(1), rate=4.0)
    assert one.iterate(GradientDescent()) == [0.0]
    assert [float(at[0]) for at in one.asked[-3:]] == [-3.0, -1.0, 0.0]
    one = Plain(quadratic(np.eye(1)), np.ones(1), rate=0.25)
    assert one.iterate(GradientDescent(), 2) == [0.75, 0.5625]


def test_lr_mult_is_a_factor_on_the_gradient() -> None:
    one = Plain(quadratic(np.eye(2)), np.ones(2), rate=0.25)
    one.lr_mult = np.array([1.0, 2.0])
    np.testing.assert_array_equal(one.iterate(GradientDescent())[0], [0.75, 0.5])


@pytest.mark.parametrize("search", ["backtracking", "strong_wolfe"])
def test_the_loss_falls_in_every_iteration(search: str) -> None:
    rule = GradientDescent(line_search=search)
    one = Plain(rosenbrock, np.array([-1.2, 1.0]), rate=0.1)
    losses = [24.2, *(rosenbrock(point)[0] for point in one.iterate(rule, 30))]
    assert (np.diff(losses) < 0).all() and losses[-1] < 4.2


def test_the_conditions_hold_for_each_step() -> None:
    rule = GradientDescent(line_search="strong_wolfe", curvature=0.1)
    one = Plain(rosenbrock, np.array([-1.2, 1.0]), rate=0.1)
    for _ in range(10):
        before, g = one.start, rosenbrock(one.start)[1]
        (after,) = one.iterate(rule)
        assert abs(rosenbrock(after)[1] @ g) <= 0.1 * (g @ g)
        assert rosenbrock(after)[0] <= rosenbrock(before)[0] + 1e-4 * (after - before) @ g


def test_fields() -> None:
    with pytest.raises(ValidationError, match="the other line search"):
        GradientDescent(curvature=0.5)
    with pytest.raises(ValidationError, match="must be less"):
        GradientDescent(line_search="strong_wolfe", armijo=0.95)
    assert GradientDescent(armijo=0.95).trials == 25
