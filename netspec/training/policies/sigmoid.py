"""sigmoid: base_lr / (1 + exp(-gamma * (iter - stepsize))). Source: Caffe sgd_solver.cpp."""

from __future__ import annotations

from math import e

from pydantic import Field

from netspec.core.counts import PositiveCount
from netspec.training.course import Course
from netspec.training.policies._power import power
from netspec.training.policies.base import Policy


class Sigmoid(Policy):
    """The rate rises from near 0 to base_lr, half way at stepsize."""

    gamma: float = Field(ge=0, allow_inf_nan=False, description="How steeply it rises.")
    stepsize: PositiveCount = Field(description="When half of base_lr is reached.")

    def rate(self, iter: int, course: Course) -> float:
        """base_lr / (1 + exp(-gamma * (iter - stepsize)))."""
        middle = self.stepsize.iterations(course.pace)
        return course.base_lr / (1 + power(e, -self.gamma * (iter - middle)))
