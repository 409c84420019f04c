"""linear: from base_lr to min_lr in a straight line, then min_lr.

Without a `length` the line ends with the training. To rise first, put a `warmup` beside it.
PyTorch's LinearLR is another thing: it rises to the base rate, as `warmup` does.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.model import Aka
from netspec.training.course import Course
from netspec.training.policies._lasting import Lasting
from netspec.training.policies._ramps import line


class Linear(Lasting):
    """The rate falls in a straight line."""

    min_lr: Annotated[float, Aka("end_learning_rate", "eta_min", "final_lr", "lowest", "lr_min")] = Field(
        0.0, ge=0, description="Rate at the end of the line, and after it."
    )

    def rate(self, iter: int, course: Course) -> float:
        """base_lr + (min_lr - base_lr) * iter / length."""
        return line(course.base_lr, self.min_lr, min(1.0, iter / self.span(course)))
