"""Base of policies that are over after a length, or else with the training."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.counts import PositiveCount
from netspec.core.model import Aka
from netspec.training.course import Course
from netspec.training.policies.base import Policy


class Lasting(Policy):
    """A policy with an end."""

    length: Annotated[
        PositiveCount | None,
        Aka("T_max", "decay_steps", "num_training_steps", "t_initial", "total_iters", "total_steps"),
    ] = Field(None, description="When it is over; left out: with the training.")

    def span(self, course: Course) -> int:
        """How many iterations it takes."""
        return course.end if self.length is None else self.length.iterations(course.pace)
