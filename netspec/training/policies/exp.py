"""exp: base_lr * gamma ** iter. Source: Caffe sgd_solver.cpp."""

from __future__ import annotations

from pydantic import Field

from netspec.training.course import Course
from netspec.training.policies._power import power
from netspec.training.policies.base import Policy


class Exp(Policy):
    """The rate is multiplied by gamma every iteration."""

    gamma: float = Field(ge=0, allow_inf_nan=False, description="Factor at each iteration.")

    def rate(self, iter: int, course: Course) -> float:
        """base_lr * gamma ** iter."""
        return course.base_lr * power(self.gamma, iter)
