"""cosine: min_lr + (base_lr - min_lr) * (1 + cos(pi * done)) / 2, where `done` is the part of a period that is over.

Without a `length`, the one period is the training; beyond its end the rate stays at min_lr. With a `length` the rate
starts again at base_lr after each period (warm restarts), and each period is `growth` times as long as the one before.
PyTorch's CosineAnnealingLR goes on as a wave after its end, and so rises again; here that is two periods with a policy
of another kind.
Source: Loshchilov & Hutter 2017, SGDR.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from netspec.core.counts import Count, Pace, PositiveCount
from netspec.core.model import Aka, wrong
from netspec.training.course import Course
from netspec.training.policies._lasting import Lasting
from netspec.training.policies._ramps import wave


class Cosine(Lasting):
    """The rate falls along half a wave of a cosine, once or again and again."""

    length: Annotated[
        PositiveCount | None, Aka("T_0", "T_max", "decay_steps", "first_decay_steps", "period", "t_initial")
    ] = Field(
        None, description="Length of the first period, after which the rate starts again; left out: one, to the end."
    )
    growth: Annotated[int, Aka("T_mult", "cycle_mul", "t_mul")] = Field(
        1, ge=1, le=1000, description="Factor by which each period is longer than the one before."
    )
    min_lr: Annotated[float, Aka("eta_min", "final_lr", "lowest", "lr_min")] = Field(
        0.0, ge=0, description="Rate at the end of a period."
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.growth != 1 and self.length is None:
            help = "say how long the first period is, like `length: 10 epochs`"
            raise wrong("`growth` needs a `length`: without it there is only one period", field="growth", help=help)
        return self

    def rate(self, iter: int, course: Course) -> float:
        """min_lr + (base_lr - min_lr) * (1 + cos(pi * done)) / 2."""
        begin, end = (0, course.end) if self.length is None else self._period(self.length, iter, course.pace)
        return wave(course.base_lr, self.min_lr, min(1.0, (iter - begin) / (end - begin)))

    def _period(self, length: Count, iter: int, pace: Pace) -> tuple[int, int]:
        """The first iteration of the period that an iteration is in, and that of the next."""
        begun, size = 0, 1  # in lengths of the first period
        over = length.times(iter, pace)
        if self.growth == 1:
            begun = over
        else:
            while begun + size <= over:
                begun, size = begun + size, size * self.growth
        return length.iterations(pace, begun), length.iterations(pace, begun + size)
