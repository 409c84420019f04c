"""multistep: base_lr * gamma ** (number of steps taken), with a step at each stepvalue.

Caffe takes at most one step an iteration: stepvalues 10, 10, 10 take effect at 10, 11, 12. Unlike in Caffe, which
waits for each in the order written, values that fall are an error.
Source: Caffe sgd_solver.cpp.
"""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field, model_validator

from netspec.core.counts import AnyCount
from netspec.core.model import Listed, wrong
from netspec.training.course import Course
from netspec.training.policies._power import power
from netspec.training.policies.base import Policy


class Multistep(Policy):
    """The rate is multiplied by gamma at each of the listed iterations."""

    gamma: float = Field(ge=0, allow_inf_nan=False, description="Factor at each step.")
    stepvalue: Listed[AnyCount] = Field(description="Iterations at which a step is taken, in rising order.")

    @model_validator(mode="after")
    def _check(self) -> Multistep:
        for before, after in pairwise(self.stepvalue):
            if after.in_epochs == before.in_epochs and after.value < before.value:
                raise wrong(f"`stepvalue` must rise, but {after} follows {before}", field="stepvalue")
        return self

    def taken(self, iter: int, course: Course) -> int:
        """The number of steps that took effect up to an iteration, at most one at each."""
        steps, effect = 0, -1
        for value in self.stepvalue:
            effect = max(value.iterations(course.pace), effect + 1)
            steps += effect <= iter
        return steps

    def rate(self, iter: int, course: Course) -> float:
        """base_lr * gamma ** (number of steps taken)."""
        return course.base_lr * power(self.gamma, self.taken(iter, course))
