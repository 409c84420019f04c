"""inv: base_lr * (1 + gamma * iter) ** -power. Source: Caffe sgd_solver.cpp."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.model import Aka
from netspec.training.course import Course
from netspec.training.policies._power import power as raised
from netspec.training.policies.base import Policy


class Inv(Policy):
    """The rate falls like a power of the iteration."""

    gamma: float = Field(ge=0, allow_inf_nan=False, description="How fast it falls.")
    power: Annotated[float, Aka("exponent")] = Field(allow_inf_nan=False, description="Exponent of the fall.")

    def rate(self, iter: int, course: Course) -> float:
        """base_lr * (1 + gamma * iter) ** -power."""
        return course.base_lr * raised(1 + self.gamma * iter, -self.power)
