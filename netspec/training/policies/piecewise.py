"""piecewise: through listed points (at, rate), in straight lines or in steps.

Before the first point the rate comes from base_lr at iteration 0, unless there is a point at 0; after the last point it
stays. With `interpolation: steps` a rate holds from its point to the next.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field, model_validator

from netspec.core.counts import AnyCount
from netspec.core.model import Aka, Listed, Model, wrong
from netspec.training.course import Course
from netspec.training.policies._ramps import line
from netspec.training.policies.base import Policy


class Point(Model):
    """A rate and the iteration that has it."""

    at: AnyCount = Field(description="Iteration, or epochs before it.")
    rate: float = Field(ge=0, description="Learning rate there.")


class Piecewise(Policy):
    """The rate goes from point to point."""

    points: Annotated[Listed[Point], Aka("knots", "schedule")] = Field(
        min_length=1, description="Where the rate is known, in rising order."
    )
    interpolation: Literal["linear", "steps"] = Field(
        "linear", description="Straight lines between the points, or a step at each."
    )

    @model_validator(mode="after")
    def _check(self) -> Piecewise:
        for before, after in pairwise(point.at for point in self.points):
            if after.in_epochs == before.in_epochs and after.value <= before.value:
                raise wrong(f"`points` must rise, but {after} follows {before}", field="points")
        return self

    def rate(self, iter: int, course: Course) -> float:
        """The rate between the points before and after an iteration."""
        at, result = 0, course.base_lr
        for point in self.points:
            turn = point.at.iterations(course.pace)
            if iter < turn:
                return line(result, point.rate, (iter - at) / (turn - at) if self.interpolation == "linear" else 0)
            at, result = turn, point.rate
        return result
