"""NAdam: m and v as in Adam, and with t = iteration + 1, b(t) = momentum * (1 - 0.5 * 0.96^(t * momentum_decay)) and

P(t) = b(1) * ... * b(t),
w = w - rate * (b(t+1) * m / (1 - P(t+1)) + (1 - b(t)) * g / (1 - P(t))) / (sqrt(v / (1 - momentum2^t)) + delta).

g is the clipped, divided and decayed gradient. Source: Dozat 2016; the schedule of b as in PyTorch, where m averages
with `momentum`, not with b(t). P is computed from the iteration: there is no state beside m and v.
"""

from __future__ import annotations

from pydantic import Field

from netspec.core.calls import Calls, Update
from netspec.training.solvers._moments import TwoMoments


class NAdam(TwoMoments):
    """Adam that looks a step of momentum ahead, as Nesterov does."""

    momentum_decay: float = Field(
        0.004, ge=0, le=1000, description="How fast the momentum rises from half its value; 0: not at all."
    )

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels import update_moments

        yield run.by(update_moments.nadam, self.moments(), self.momentum_decay)
