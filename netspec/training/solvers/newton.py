"""Newton: w = w - t * H^-1 g, with H the Hessian at w and g the gradient; for nets of few params.

Column j of H is a central difference of gradients along w_j, so an iteration makes two passes for each value, and H is
made symmetric. Where H is not positive definite, the step would not go down: H is damped. Each of its eigenvalues
counts with its size, at least 1e-8 times the largest, plus `damping` (Greenstadt 1967; Nocedal & Wright 2006, section
3.4). So a saddle is left along its downward axis. The step t begins with 1 and is halved until the loss falls enough;
where it does not fall at all, w stays. `lr_mult` has no part in it.

Source: Nocedal & Wright 2006, sections 3.3, 3.4 and 8.1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from netspec.core.errors import SpecError
from netspec.core.shape import count
from netspec.training.solvers._line_search import Armijo, Line, Trials, backtracking
from netspec.training.solvers.base_driving import RATE, DrivingRule, Objective

if TYPE_CHECKING:
    from netspec.core.calls import Array
    from netspec.net.shaped import ShapedGraph

MOST = 2000
"""Most values of params: the Hessian of so many takes 4,000 passes and 32 MB."""
LEAST = 1e-8
"""Least size of an eigenvalue, as a part of the largest."""


class HessianError(SpecError):
    """Newton cannot make the Hessian: it takes float64, and at most 2,000 params."""

    code = "NS547"


class Newton(DrivingRule):
    """Newton's method with a line search, for nets of at most 2,000 params in float64."""

    unused: ClassVar[tuple[str, ...]] = (*DrivingRule.unused, *RATE)

    damping: float = Field(0.0, ge=0, description="Added to every eigenvalue of the Hessian.")
    armijo: Armijo = 1e-4
    trials: Trials = 25

    def check(self, net: ShapedGraph, dtype: str) -> None:
        """Raise HessianError."""
        if dtype != "float64":
            text = f"Newton makes the Hessian of differences of gradients, which {dtype} is too coarse for"
            raise HessianError(text, at=self.place("type"), help="say `dtype: float64`")
        pairs = zip(net.params, net.graph.params, strict=True)
        values = sum(count(shape) for shape, param in pairs if param.learned)
        if values > MOST:
            text = f"Newton takes the Hessian of at most {MOST:,} params, and the net learns {values:,}"
            help = "LBFGS is a second-order type for nets of any size"
            raise HessianError(text, at=self.place("type"), help=help)

    def step(self, objective: Objective) -> Array:
        """One line search along -H^-1 g."""
        import numpy as np

        g, matrix = objective.gradient(objective.start), hessian(objective, objective.start)
        if not np.isfinite(matrix).all():
            return np.full_like(g, np.nan)
        values, vectors = np.linalg.eigh(matrix)
        sizes = np.maximum(abs(values), LEAST * abs(values).max()) + self.damping
        sizes[sizes == 0] = 1.0
        line = Line(objective, -(vectors @ ((vectors.T @ g) / sizes)))
        return line.point(backtracking(line, 1.0, self.armijo, self.trials))


def hessian(objective: Objective, at: Array) -> Array:
    """The Hessian (n, n) at a point."""
    import numpy as np

    columns = np.array([objective.product(at, v) for v in np.eye(at.size)])
    result: Array = (columns + columns.T) / 2
    return result
