"""fixed: always base_lr. Source: Caffe sgd_solver.cpp."""

from __future__ import annotations

from netspec.training.course import Course
from netspec.training.policies.base import Policy


class Fixed(Policy):
    """The base rate throughout."""

    def rate(self, iter: int, course: Course) -> float:
        """base_lr."""
        return course.base_lr
