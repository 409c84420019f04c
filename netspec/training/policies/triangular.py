"""triangular: up and down in straight lines between base_lr and max_lr, a way of `stepsize` iterations each.

At iteration t, with c = floor(t / (2 * stepsize)) cycles done and x = |t / stepsize - 2 * c - 1|, the rate is
base_lr + (max_lr - base_lr) * (1 - x) * s. The mode says what s is: 1 (triangular), 0.5 ** c (triangular2), or
gamma ** t (exp_range). As in the paper and in PyTorch's CyclicLR, base_lr is the lowest rate.
Source: Smith 2017, Cyclical Learning Rates for Training Neural Networks.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from netspec.core.counts import PositiveCount
from netspec.core.model import Aka, wrong
from netspec.training.course import Course
from netspec.training.policies._power import power
from netspec.training.policies._ramps import line
from netspec.training.policies.base import Policy


class Triangular(Policy):
    """The rate goes up and down between base_lr and max_lr."""

    max_lr: float = Field(gt=0, description="Highest rate.")
    stepsize: Annotated[PositiveCount, Aka("step_size", "step_size_up")] = Field(description="Length of a way up.")
    mode: Literal["triangular", "triangular2", "exp_range"] = Field(
        "triangular",
        description="Whether every cycle is equal, half as high as the one before, or lower by gamma an iteration.",
    )
    gamma: float | None = Field(None, gt=0, le=1, description="Factor at each iteration, for the mode exp_range.")

    @model_validator(mode="after")
    def _check(self) -> Triangular:
        if (self.mode == "exp_range") != (self.gamma is not None):
            raise wrong(
                "`gamma` goes with `mode: exp_range`, and with no other mode", field="gamma" if self.gamma else "mode"
            )
        return self

    def rate(self, iter: int, course: Course) -> float:
        """base_lr + (max_lr - base_lr) * (1 - x) * s."""
        ways = self.stepsize.times(iter, course.pace)
        begin, end = (self.stepsize.iterations(course.pace, number) for number in (ways, ways + 1))
        part = (iter - begin) / (end - begin)
        up = part if ways % 2 == 0 else 1 - part
        return line(course.base_lr, self.max_lr, up * self._height(iter, ways // 2))

    def _height(self, iter: int, cycles: int) -> float:
        """The height of a cycle, of what lies between the two rates."""
        if self.gamma is not None:
            return power(self.gamma, iter)
        return power(0.5, cycles) if self.mode == "triangular2" else 1.0
