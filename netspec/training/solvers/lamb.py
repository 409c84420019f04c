"""LAMB: the step of AdamW, scaled for each param so that it is as long as the weight itself, times the rate.

step = m / (1 - momentum^t) / (sqrt(v / (1 - momentum2^t)) + delta) + decay, w = w - rate * |w| / |step| * step

with m and v as in Adam and t = iteration + 1. g, which m and v average, is the clipped and divided gradient without the
decay; decay = l2 * w + l1 * sign(w) is inside the ratio. Source: You et al. 2020, algorithm 2, with phi(x) = x and the
delta of the authors' own program.

Not scaled, their ratio 1, are params of a single axis (biases, and the factors of norms) and those with
`decay_mult: 0`; the paper scales all, the authors' program leaves these out. The ratio is 1 too where a norm is 0.
The paper takes norms of layers; here each param blob has its own.
"""

from __future__ import annotations

from pydantic import Field

from netspec.core.calls import Call, Calls, Update
from netspec.training.solvers._moments import Delta, TwoMoments
from netspec.training.solvers._trust import adapts, room_for_sums


class LAMB(TwoMoments):
    """The step of AdamW at a rate for each param, by the norms of its weights and steps."""

    delta: Delta = Field(1e-6, description="Added to the root of the mean square.")

    def update(self, run: Update) -> Calls:
        """A Call that updates history and sums up squares, and a Call that updates the weight."""
        from netspec.kernels import update_trust

        sums, parts = room_for_sums(update_trust.lamb_norms, run)
        yield run.by(update_trust.lamb_norms, self.moments(), sums, parts=parts)
        ends = (run.now, run.local, self.moments(), sums, int(adapts(run)))
        yield Call(update_trust.lamb, run.weight, *run.history.values(), *ends)
