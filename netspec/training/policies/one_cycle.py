"""one_cycle: up from base_lr / div_factor to base_lr, then down far below where it began.

The rise takes the first `pct_start` of the cycle, the fall the rest; the last iteration of the cycle has the rate
base_lr / (div_factor * final_div_factor), and so has every later one. With `three_phase`, as in the paper, the fall
takes as long as the rise and ends where the rise began, and the rest goes on from there to the final rate. base_lr is
the highest rate, PyTorch's `max_lr`. The defaults are those of PyTorch and fastai: the paper fixes none. PyTorch also
turns the momentum down as the rate goes up; here a policy gives the rate alone.
Source: Smith & Topin 2018, Super-Convergence; Smith 2018, A disciplined approach to neural network hyper-parameters.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from netspec.core.model import Aka, wrong
from netspec.training.course import Course
from netspec.training.policies._lasting import Lasting
from netspec.training.policies._ramps import line, wave

_WAYS = {"cos": wave, "linear": line}


class OneCycle(Lasting):
    """The rate rises to base_lr and then falls to almost nothing, once."""

    pct_start: float = Field(0.3, gt=0, lt=1, description="Part of the cycle in which the rate rises.")
    div_factor: Annotated[float, Aka("div")] = Field(25.0, ge=1, description="base_lr over the first rate.")
    final_div_factor: Annotated[float, Aka("div_final")] = Field(
        1e4, gt=0, description="The first rate over the final one."
    )
    anneal_strategy: Literal["cos", "linear"] = Field("cos", description="Half a cosine's wave, or straight lines.")
    three_phase: bool = Field(False, description="Fall as long as the rise, then on to the final rate.")

    @model_validator(mode="after")
    def _check(self) -> OneCycle:
        if self.three_phase and self.pct_start > 0.5:
            raise wrong("with `three_phase`, `pct_start` is at most 0.5: the fall takes as long", field="pct_start")
        return self

    def rate(self, iter: int, course: Course) -> float:
        """The rate on the way between the turning points before and after an iteration."""
        length = self.span(course)
        top, first = course.base_lr, course.base_lr / self.div_factor
        rise, last = self.pct_start * length - 1, length - 1
        points = [(0.0, first), (rise, top), (last, first / self.final_div_factor)]
        if self.three_phase:
            points.insert(2, (2 * rise, first))
        at, result = points[0]
        for turn, rate in points[1:]:
            if iter < turn:
                return _WAYS[self.anneal_strategy](result, rate, (iter - at) / (turn - at))
            at, result = max(at, turn), rate
        return result
