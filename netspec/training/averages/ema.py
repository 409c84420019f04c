"""ema: the exponential moving average, average = decay * average + (1 - decay) * w.

It begins with the weights as they are after `start` iterations, and needs no correction of a bias. Source: Polyak &
Juditsky 1992 for averaging; the exponential form as in PyTorch's get_ema_multi_avg_fn.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.counts import AnyCount, Count, Pace
from netspec.core.model import Aka
from netspec.training.averages.base import Average


class Ema(Average):
    """The exponential moving average of the weights of all iterations."""

    decay: Annotated[float, Aka("momentum", "beta", "ema_decay")] = Field(
        0.999, ge=0, lt=1, description="Share of the average that stays, at each iteration."
    )
    start: AnyCount = Field(Count(0), description="Iterations, or epochs, after which it begins.")

    def share(self, done: int, pace: Pace) -> float:
        """1 - decay; 1 up to the start."""
        return 1.0 if done <= self.start.iterations(pace) else 1 - self.decay
