"""poly: base_lr * (1 - iter / max_iter) ** power. Source: Caffe sgd_solver.cpp; 0 beyond max_iter."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.model import Aka
from netspec.training.course import Course
from netspec.training.policies._power import power as raised
from netspec.training.policies.base import Policy


class Poly(Policy):
    """The rate falls to 0 at max_iter, along a polynomial."""

    power: Annotated[float, Aka("exponent")] = Field(
        ge=0, allow_inf_nan=False, description="Exponent; 1 is a straight line."
    )

    def rate(self, iter: int, course: Course) -> float:
        """base_lr * (1 - iter / max_iter) ** power."""
        return course.base_lr * raised(max(0.0, 1 - iter / course.end) if course.end else 0.0, self.power)
