"""AdamW: m and v as in Adam, and with t = iteration + 1

w = w - rate * (m / (1 - momentum^t) / (sqrt(v / (1 - momentum2^t)) + delta) + decay).

g, which m and v average, is the clipped and divided gradient without the decay; decay = l2 * w + l1 * sign(w) is what
the regularizer would add to it (L1 too is taken out of the averages), and lr_mult counts for it as for the rest.
Source: Loshchilov & Hutter 2019, algorithm 2. There the decay is multiplied by the schedule alone, which starts at 1;
here, as in PyTorch, by the whole rate, so that their weight decay is ours times base_lr.
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.calls import Calls, Update
from netspec.core.worked import Term, Worked
from netspec.training.solvers._moments import TwoMoments
from netspec.training.solvers.base import OneWeight


class AdamW(TwoMoments):
    """Adam with a weight decay beside the gradient instead of in it."""

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels import update_moments

        yield run.by(update_moments.adamw, self.moments())

    def worked(self, one: OneWeight) -> Iterator[Worked]:
        """Both averages, of the gradient without the decay; then the weight."""
        mean, square = averages = self.averages(one, one.diff)
        yield from self.told(averages)
        mean = mean.known() / (1.0 - Term(self.momentum).power(one.t))
        square = square.known() / (1.0 - Term(self.momentum2).power(one.t))
        step = mean / (square.sqrt() + self.delta)
        yield (one.w - one.rate * (step if one.pull is None else step + one.pull)).at("w", ())
