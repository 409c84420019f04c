"""swa: stochastic weight averaging, the mean of the weights at `start` and every so often from there on.

Use it with a rate that stays high, constant or cyclic, at the ends of whose cycles the weights are taken. BatchNorm's
statistics are averaged like weights; they are not computed anew. Source: Izmailov et al. 2018, algorithm 1.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from netspec.core.counts import AnyCount, Pace, PositiveCount
from netspec.core.model import Aka
from netspec.training.averages.base import Average


class Swa(Average):
    """The mean of the weights at regular intervals."""

    start: Annotated[AnyCount, Aka("swa_start")] = Field(
        description="Iterations, or epochs, after which weights are taken for the first time."
    )
    every: Annotated[PositiveCount, Aka("swa_freq", "cycle", "interval")] = Field(
        description="Iterations, or epochs, between two times, counted from the beginning of the training."
    )

    def share(self, done: int, pace: Pace) -> float:
        """1 / the number of weights taken so far where some are taken, else 0; 1 up to the start."""
        first = self.start.iterations(pace)
        if done <= first:
            return 1.0
        return 1 / (1 + self.every.times(done, pace) - self.every.times(first, pace)) * self.every.ends(done, pace)
