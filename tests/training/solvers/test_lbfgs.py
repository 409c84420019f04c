"""LBFGS against the formula of BFGS on whole matrices, and against PyTorch's iterations."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from netspec.training.solvers.lbfgs import LBFGS
from tests.helpers.checks import Array, blob
from tests.helpers.objectives import Function, Plain, quadratic, rosenbrock


def bfgs(pairs: list[tuple[Array, Array]], scale: Array) -> Array:
    """The inverse Hessian: Nocedal & Wright (6.17) from H0 = s.y / (y.M y) M of the last pair, with M diagonal."""
    s, y = pairs[-1]
    h = np.diag(scale) * (s @ y) / (y @ np.diag(scale) @ y)
    for s, y in pairs:
        rho, one = 1 / (s @ y), np.eye(s.size)
        h = (one - rho * np.outer(s, y)) @ h @ (one - rho * np.outer(y, s)) + rho * np.outer(s, s)
    return h


@pytest.mark.parametrize("written", [1, 3, 4, 9])
def test_the_recursion_is_the_formula_of_bfgs(written: int) -> None:
    rule, n = LBFGS(memory=4), 7
    scale = np.array([1, 2, 1, 0.5, 1, 3, 1.0])
    curved = blob(n, n, seed=1)
    matrix = curved @ curved.T + np.eye(n)
    one = Plain(quadratic(matrix), np.zeros(n), rule)
    pairs = [(s, matrix @ s) for s in (blob(n, seed=seed) for seed in range(2, 2 + written))]
    for s, y in pairs:
        rule._add(one.whole, s, y)
    g = blob(n, seed=77)
    expected = bfgs(pairs[-4:], scale) @ g
    np.testing.assert_allclose(rule._times(one.whole, g, scale), expected, rtol=1e-10, atol=1e-12)
    assert one.whole["pairs"][0] == written


def test_without_pairs_it_goes_down_the_gradient() -> None:
    rule, scale = LBFGS(), np.array([1.0, 2.0])
    np.testing.assert_array_equal(rule._times(Plain(rosenbrock, np.ones(2), rule).whole, np.ones(2), scale), scale)


STARTS: dict[str, tuple[Function, Array]] = {
    "rosenbrock": (rosenbrock, np.array([-1.2, 1.0])),
    "rosenbrock of 6": (rosenbrock, np.array([-1.2, 1.0, 0.5, -0.7, 2.0, 0.1])),
    "quadratic": (quadratic(np.diag([1.0, 10.0, 300.0])), np.array([1.0, -2.0, 0.5])),
}


@pytest.mark.parametrize("name", STARTS)
@pytest.mark.parametrize("memory", [2, 10])
def test_its_iterations_are_those_of_pytorch(name: str, memory: int) -> None:
    torch = pytest.importorskip("torch")
    function, start = STARTS[name]
    rule = LBFGS(memory=memory)
    w = torch.tensor(start, requires_grad=True)
    settings = {"history_size": memory, "tolerance_grad": 0.0, "tolerance_change": 0.0}
    other = torch.optim.LBFGS([w], max_iter=1, max_eval=30, line_search_fn="strong_wolfe", **settings)

    def closure() -> float:
        loss, g = function(w.detach().numpy())
        w.grad = torch.tensor(g)
        return loss

    points = Plain(function, start, rule).iterate(rule, 25)
    above = [point for point in points if abs(function(point)[1]).max() > 1e-4]  # PyTorch drops pairs of s.y < 1e-10
    assert len(above) >= 10
    for number, point in enumerate(above):
        other.step(closure)
        np.testing.assert_allclose(point, w.detach().numpy(), rtol=1e-8, atol=1e-10, err_msg=f"iteration {number}")


@pytest.mark.parametrize("name", STARTS)
def test_it_finds_the_minimum(name: str) -> None:
    function, start = STARTS[name]
    rule = LBFGS()
    point = Plain(function, start, rule).iterate(rule, 120)[-1]
    assert abs(function(point)[1]).max() < 1e-8


def test_the_first_step_tried_is_short_and_then_the_first_step() -> None:
    for initial in (1.0, 0.25):
        rule = LBFGS(initial_step=initial)
        one = Plain(rosenbrock, np.array([-1.2, 1.0]), rule)
        g = rosenbrock(one.start)[1]
        one.iterate(rule)
        step = (one.asked[2] - one.asked[0]) / -g  # asked: the gradient, the line's begin, the first trial
        np.testing.assert_allclose(step, initial / abs(g).sum())
        before, asked = one.start.copy(), len(one.asked)
        direction = -rule._times(one.whole, rosenbrock(before)[1], one.lr_mult)
        one.iterate(rule)
        np.testing.assert_allclose(one.asked[asked + 2], before + initial * direction)


def test_a_pair_of_negative_curvature_is_left_out() -> None:
    rule = LBFGS(memory=2)
    one = Plain(rosenbrock, np.zeros(3), rule)
    s = np.array([1.0, 2.0, -1.0])
    for y in (-s, np.array([2.0, -1.0, 0.0]), np.zeros(3)):  # downward, at a right angle, none
        rule._add(one.whole, s, y)
        assert one.whole["pairs"][0] == 0
    rule._add(one.whole, s, s)
    assert one.whole["pairs"][0] == 1


def test_where_no_point_is_lower_it_stays_and_forgets() -> None:
    rule = LBFGS()
    one = Plain(rosenbrock, np.array([-1.2, 1.0]), rule)
    one.iterate(rule, 5)
    assert one.whole["pairs"][0] == 5
    before = one.start.copy()
    one.function = lambda w: (float(np.any(w != before)), rosenbrock(w)[1])
    (after,) = one.iterate(rule)
    assert (after == before).all() and one.whole["pairs"][0] == 0
    one.function = lambda w: (0.0, np.zeros_like(w))
    (after,) = one.iterate(rule)
    assert (after == before).all()


def test_pairs_that_lead_up_are_forgotten() -> None:
    rule = LBFGS()
    one = Plain(quadratic(np.diag([1.0, 5.0])), np.array([1.0, 1.0]), rule)
    one.iterate(rule)
    one.whole["changes"][0] *= -1  # a broken state
    start = one.start.copy()
    one.iterate(rule)
    assert one.whole["pairs"][0] == 1 and one.function(one.start)[0] < one.function(start)[0]


def test_fields() -> None:
    assert LBFGS().model_dump() == {
        "memory": 10,
        "initial_step": 1.0,
        "armijo": 1e-4,
        "curvature": 0.9,
        "trials": 25,
    }
    slots = LBFGS(memory=3).state([(2, 5), (7,)]).whole
    assert {name: slot.shape for name, slot in slots.items()} == {"steps": (3, 17), "changes": (3, 17), "pairs": (1,)}
    wrong: list[dict[str, float]] = [{"armijo": 0.5, "curvature": 0.5}, {"memory": 0}, {"curvature": 1.0}]
    for fields in wrong:
        with pytest.raises(ValidationError):
            LBFGS(**fields)
