"""LARS: SGD with momentum, the rate of each param scaled by the ratio of its norm to its gradient's.

h = momentum * h + rate * ratio * (g + decay * w), w = w - h, ratio = trust_coefficient * |w| / (|g| + decay * |w|)

with g the clipped and divided gradient, and decay = weight_decay * decay_mult: the decay is inside the ratio. (Where
the regularizer has an L1 part, that is in g.) Source: You, Gitman & Ginsburg 2017, algorithm 1, whose momentum and
coefficient are the defaults.

Not scaled, their ratio 1, are params of a single axis (biases, and the factors of norms) and those with
`decay_mult: 0`; the paper scales all, those who train with it leave these out. The ratio is 1 too where a norm is 0.
The paper takes norms of layers; here each param blob has its own.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Call, Calls, Update
from netspec.core.model import Aka
from netspec.training.solvers._trust import adapts, room_for_sums
from netspec.training.solvers.base import UpdateRule


class LARS(UpdateRule):
    """SGD with momentum at a rate for each param, by the norms of its weights and gradients."""

    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    momentum: float = Field(0.9, ge=0, lt=1, description="Share of the last step that is taken again.")
    trust_coefficient: Annotated[float, Aka("trust", "eta", "eeta", "trust_coef")] = Field(
        0.001, gt=0, description="Length of a step at rate 1, as a share of the weight's norm."
    )

    def update(self, run: Update) -> Calls:
        """A Call that sums up squares, and a Call that updates weight and history."""
        from netspec.kernels import update_trust

        trust = update_trust.Trust(self.momentum, self.trust_coefficient, int(adapts(run)))
        sums, parts = room_for_sums(update_trust.lars_norms, run)
        if trust.adapts:
            yield Call(update_trust.lars_norms, run.weight, run.diff, run.now, run.local, sums, parts=parts)
        yield run.by(update_trust.lars, trust, sums)
