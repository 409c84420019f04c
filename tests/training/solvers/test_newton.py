"""Newton: Hessians by hand, one step on a quadratic, and the way off a saddle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from netspec.core.errors import SpecError
from netspec.training.job import load_solver
from netspec.training.solvers.newton import Newton, hessian
from tests.helpers.checks import Array, blob
from tests.helpers.objectives import Plain, quadratic, rosenbrock


def rosenbrock_hessian(x: float, y: float) -> Array:
    return np.array([[1200 * x * x - 400 * y + 2, -400 * x], [-400 * x, 200]])


@pytest.mark.parametrize("point", [(-1.2, 1.0), (1.0, 1.0), (0.3, -2.0), (40.0, 3.0)])
def test_rosenbrocks_hessian(point: tuple[float, float]) -> None:
    found, right = hessian(Plain(rosenbrock, np.array(point)), np.array(point)), rosenbrock_hessian(*point)
    np.testing.assert_allclose(found, right, rtol=1e-6)
    assert (found == found.T).all()


def test_the_hessian_of_a_logistic_regression() -> None:
    """X' diag(p (1 - p)) X; Bishop 2006, (4.97)."""
    x, t, w = blob(11, 5, seed=1), (blob(11, seed=2) > 0).astype(float), blob(5, seed=3)

    def loss(w: Array) -> tuple[float, Array]:
        p = 1 / (1 + np.exp(-x @ w))
        return float(-(t * np.log(p) + (1 - t) * np.log(1 - p)).sum()), x.T @ (p - t)

    p = 1 / (1 + np.exp(-x @ w))
    np.testing.assert_allclose(hessian(Plain(loss, w), w), x.T @ np.diag(p * (1 - p)) @ x, rtol=1e-6, atol=1e-8)


def test_a_quadratic_takes_one_step() -> None:
    curved = blob(5, 5, seed=1)
    matrix, minimum = curved @ curved.T + 0.1 * np.eye(5), blob(5, seed=2)

    def f(w: Array) -> tuple[float, Array]:
        return quadratic(matrix)(w - minimum)

    (point,) = Plain(f, np.zeros(5)).iterate(Newton())
    np.testing.assert_allclose(point, minimum, rtol=1e-6)


def test_rosenbrock_takes_its_known_iterations() -> None:
    """With full steps from (-1.2, 1) the first two points are known; its squares fall quadratically near the end."""
    one = Plain(rosenbrock, np.array([-1.2, 1.0]))
    (first,) = one.iterate(Newton())
    np.testing.assert_allclose(first, [-1.1752809, 1.3806742], rtol=1e-6)
    losses = [rosenbrock(point)[0] for point in one.iterate(Newton(), 25)]
    assert losses[-1] < 1e-25 and (np.diff(losses) <= 0).all()


def test_a_saddle_is_left_along_its_downward_axis() -> None:
    """x^2/2 - y^2/2 + y^4/4: at (1, 0.1) the eigenvalues are 1 and -0.97, and H^-1 g would go up along y."""

    def f(w: Array) -> tuple[float, Array]:
        x, y = w
        return float(x * x / 2 - y * y / 2 + y**4 / 4), np.array([x, y**3 - y])

    one = Plain(f, np.array([1.0, 0.1]))
    (point,) = one.iterate(Newton())
    np.testing.assert_allclose(point, [0.0, 0.1 + (0.1 - 0.001) / 0.97], atol=1e-6)
    np.testing.assert_allclose(one.iterate(Newton(), 10)[-1], [0, 1], atol=1e-8)


def test_damping_shortens_the_step() -> None:
    one = Plain(quadratic(np.diag([1.0, 3.0])), np.array([1.0, 1.0]))
    np.testing.assert_allclose(one.iterate(Newton(damping=1.0))[0], [0.5, 0.25], rtol=1e-6)
    flat = Plain(lambda w: (float(w.sum()), np.ones_like(w)), np.zeros(2))
    np.testing.assert_allclose(flat.iterate(Newton())[0], [-1, -1])  # no curvature at all


NET: dict[str, Any] = {
    "layers": [
        {"name": "w", "type": "Parameter", "shape": [1, 2000]},
        {"name": "frozen", "type": "Parameter", "shape": [1, 2000], "param": [{"lr_mult": 0}]},
        {"name": "loss", "type": "EuclideanLoss", "bottom": ["w", "frozen"]},
    ]
}


def test_it_refuses_more_than_2000_params_and_float32() -> None:
    solver = {"net": NET, "type": "Newton", "max_iter": 1, "dtype": "float64"}
    load_solver(solver)
    with pytest.raises(SpecError, match=r"at most 2,000 params, and the net learns 2,001"):
        load_solver(solver, ("net.layers.w.shape=[1, 2001]", "net.layers.frozen.shape=[1, 2001]"))
    with pytest.raises(SpecError, match="which float32 is too coarse for"):
        load_solver(solver, ("dtype=float32",))
