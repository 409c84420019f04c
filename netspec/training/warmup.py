"""Warm-up: a factor on the policy's rate, which rises from `from` to 1 over a length and is 1 after it.

At iteration t of a warm-up of k iterations the factor is from + (1 - from) * t / k (linear) or from ** (1 - t / k)
(exp). The rate is the factor times what the policy says of iteration t: the policy's own clock is not shifted, so it
falls during the warm-up as it would without one, and there is no jump at the end. Where the policy begins at base_lr,
the first rate is from * base_lr.
Source: Goyal et al. 2017, Accurate, Large Minibatch SGD, section 2.2 (linear).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from netspec.core.counts import Pace, PositiveCount
from netspec.core.model import Aka, Model, wrong


class Warmup(Model):
    """A rise to the policy's rate at the beginning of a training."""

    type: Literal["linear", "exp"] = Field("linear", description="A straight line, or equal factors.")
    length: Annotated[PositiveCount, Aka("epochs", "iters", "num_warmup_steps", "steps", "total_iters")] = Field(
        description="When it is over."
    )
    start: Annotated[float, Aka("factor", "start_factor", "warmup_factor")] = Field(
        0.1, alias="from", ge=0, le=1, description="Factor at the first iteration; above 0 for exp."
    )

    @model_validator(mode="after")
    def _check(self) -> Warmup:
        if self.type == "exp" and self.start == 0:
            raise wrong("`from` must be more than 0 for `type: exp`: equal factors never leave 0", field="from")
        return self

    def factor(self, iter: int, pace: Pace) -> float:
        """The factor on the policy's rate of an iteration."""
        left = 1 - iter / self.length.iterations(pace)
        if left <= 0:
            return 1.0
        return self.start**left if self.type == "exp" else self.start * left + (1 - left)
