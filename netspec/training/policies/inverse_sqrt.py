"""inverse_sqrt: base_lr * sqrt(timescale / max(iter, timescale)).

The rate is base_lr up to the timescale, half of it at four times the timescale. With a linear `warmup` from 0 of the
length k of the timescale it is the rate of the Transformer: base_lr * min(iter / k, sqrt(k / iter)).
Source: Vaswani et al. 2017, section 5.3; Raffel et al. 2020, section 3.1.2.
"""

from __future__ import annotations

from math import sqrt
from typing import Annotated

from pydantic import Field

from netspec.core.counts import PositiveCount
from netspec.core.model import Aka
from netspec.training.course import Course
from netspec.training.policies.base import Policy


class InverseSqrt(Policy):
    """The rate falls like one over the square root of the iteration, after a level start."""

    timescale: Annotated[PositiveCount, Aka("length", "shift")] = Field(description="When the rate begins to fall.")

    def rate(self, iter: int, course: Course) -> float:
        """base_lr * sqrt(timescale / max(iter, timescale))."""
        scale = self.timescale.iterations(course.pace)
        return course.base_lr * sqrt(scale / max(iter, scale))
