"""NAdam: m and v as in Adam, and with t = iteration + 1, b(t) = momentum * (1 - 0.5 * 0.96^(t * momentum_decay)) and

P(t) = b(1) * ... * b(t),
w = w - rate * (b(t+1) * m / (1 - P(t+1)) + (1 - b(t)) * g / (1 - P(t))) / (sqrt(v / (1 - momentum2^t)) + delta).

g is the clipped, divided and decayed gradient. Source: Dozat 2016; the schedule of b as in PyTorch, where m averages
with `momentum`, not with b(t). P is computed from the iteration: there is no state beside m and v.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from pydantic import Field

from netspec.core.calls import Calls, Update
from netspec.core.worked import Term, Worked
from netspec.training.solvers._moments import TwoMoments
from netspec.training.solvers.base import OneWeight


class NAdam(TwoMoments):
    """Adam that looks a step of momentum ahead, as Nesterov does."""

    momentum_decay: float = Field(
        0.004, ge=0, le=1000, description="How fast the momentum rises from half its value; 0: not at all."
    )

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels import update_moments

        yield run.by(update_moments.nadam, self.moments(), self.momentum_decay)

    def worked(self, one: OneWeight) -> Iterator[Worked]:
        """Both averages; then the weight."""
        mean, square = averages = self.averages(one, one.g)
        yield from self.told(averages)
        *before, now, coming = (
            self.momentum * (1 - 0.5 * 0.96 ** (t * self.momentum_decay)) for t in range(1, one.iteration + 3)
        )
        product = prod([*before, now])
        ahead = Term(coming) * mean.known() / (1.0 - Term(product * coming))
        own = (1.0 - Term(now)) * one.g / (1.0 - Term(product))
        freed = square.known() / (1.0 - Term(self.momentum2).power(one.t))
        yield (one.w - one.rate * (ahead + own) / (freed.sqrt() + self.delta)).at("w", ())
