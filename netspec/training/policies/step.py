"""step: base_lr * gamma ** floor(iter / stepsize). Source: Caffe sgd_solver.cpp."""

from __future__ import annotations

from pydantic import Field

from netspec.core.counts import PositiveCount
from netspec.training.course import Course
from netspec.training.policies._power import power
from netspec.training.policies.base import Policy


class Step(Policy):
    """The rate is multiplied by gamma every stepsize iterations."""

    gamma: float = Field(ge=0, allow_inf_nan=False, description="Factor at each step.")
    stepsize: PositiveCount = Field(description="Iterations or epochs between steps.")

    def rate(self, iter: int, course: Course) -> float:
        """base_lr * gamma ** floor(iter / stepsize)."""
        return course.base_lr * power(self.gamma, self.stepsize.times(iter, course.pace))
