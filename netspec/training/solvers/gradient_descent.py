"""GradientDescent: w = w - t * lr_mult * g, with a step t from a line search; g is the gradient of all batches.

The learning rate is the first step that the search tries. Source: Cauchy 1847; Armijo 1966.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from netspec.core.model import wrong
from netspec.training.solvers._line_search import Armijo, Curvature, Line, Trials, Wolfe, backtracking, strong_wolfe
from netspec.training.solvers.base_driving import DrivingRule, Objective

if TYPE_CHECKING:
    from netspec.core.calls import Array


class GradientDescent(DrivingRule):
    """Steepest descent with a line search, which the learning rate begins; for full or large batches."""

    line_search: Literal["backtracking", "strong_wolfe"] = Field(
        "backtracking",
        description="Halve the step until the loss falls enough, or find one at which the slope is small too.",
    )
    armijo: Armijo = 1e-4
    curvature: Curvature = 0.9
    trials: Trials = 25

    @model_validator(mode="after")
    def _check(self) -> GradientDescent:
        if "curvature" in self.model_fields_set and self.line_search != "strong_wolfe":
            raise wrong("`curvature` is a condition of the other line search", field="curvature", help=_OTHER)
        if self.line_search == "strong_wolfe" and self.armijo >= self.curvature:
            raise wrong("`armijo` must be less than `curvature`, or no step may fulfil both", field="armijo")
        return self

    def step(self, objective: Objective) -> Array:
        """One line search down the gradient."""
        line = Line(objective, -objective.lr_mult * objective.gradient(objective.start))
        if self.line_search == "backtracking":
            return line.point(backtracking(line, objective.rate, self.armijo, self.trials))
        return strong_wolfe(line, objective.rate, Wolfe(self.armijo, self.curvature, self.trials)).point


_OTHER = "say `line_search: strong_wolfe`, or leave it out"
