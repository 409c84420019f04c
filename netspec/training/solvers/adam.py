"""Adam: m = momentum * m + (1 - momentum) * g, v = momentum2 * v + (1 - momentum2) * g^2, and with t = iteration + 1

w = w - rate * sqrt(1 - momentum2^t) / (1 - momentum^t) * m / (sqrt(v) + delta).

g is the clipped, divided and decayed gradient. Source: Caffe adam_solver.cpp; Kingma & Ba 2015.
As in Caffe, momentum is 0 where it is not given (the paper has 0.9), and delta is added to the root of v as it is: the
form that the paper calls more efficient. PyTorch and AdamW add it to the root of v / (1 - momentum2^t), so that in the
first iterations it counts for less.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from netspec.core.calls import Calls, Update
from netspec.core.worked import Term, Worked
from netspec.training.solvers._moments import MEAN, Beta, TwoMoments
from netspec.training.solvers.base import OneWeight


class Adam(TwoMoments):
    """Means of gradients divided by the root of their mean square, both freed from the bias of their start."""

    momentum: Beta = Field(0.0, description=f"{MEAN} Common is 0.9.")

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels import update_moments

        yield run.by(update_moments.adam, self.moments())

    def worked(self, one: OneWeight) -> Iterator[Worked]:
        """Both averages; then the weight."""
        mean, square = averages = self.averages(one, one.g)
        yield from self.told(averages)
        freed = (1.0 - Term(self.momentum2).power(one.t)).sqrt() / (1.0 - Term(self.momentum).power(one.t))
        yield (one.w - one.rate * freed * mean.known() / (square.known().sqrt() + self.delta)).at("w", ())
