"""QHAdam: m and v as in Adam; with t = iteration + 1, M = m / (1 - momentum^t) and V = v / (1 - momentum2^t)

w = w - rate * ((1 - nu) * g + nu * M) / (sqrt((1 - nu2) * g^2 + nu2 * V) + delta).

g is the clipped, divided and decayed gradient. Source: Ma & Yarats 2019, section 4; nu and momentum as their section 5
recommends. With nu = nu2 = 1 it is Adam.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from netspec.core.calls import Calls, Update
from netspec.core.model import Aka
from netspec.core.worked import Term, Worked
from netspec.training.solvers._moments import MEAN, Beta, TwoMoments
from netspec.training.solvers.base import OneWeight


class QHAdam(TwoMoments):
    """Adam with some of the gradient itself beside each average."""

    momentum: Beta = Field(0.995, description=MEAN)
    nu: Annotated[float, Aka("nu1")] = Field(0.7, ge=0, le=1, description="Share of the mean beside the gradient.")
    nu2: float = Field(1.0, ge=0, le=1, description="Share of the mean square beside the gradient's square.")

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels import update_moments

        yield run.by(update_moments.qhadam, self.moments(), update_moments.Hyperbolic(self.nu, self.nu2))

    def worked(self, one: OneWeight) -> Iterator[Worked]:
        """Both averages; then the weight."""
        mean, square = averages = self.averages(one, one.g)
        yield from self.told(averages)
        mean = mean.known() / (1.0 - Term(self.momentum).power(one.t))
        square = square.known() / (1.0 - Term(self.momentum2).power(one.t))
        step = Term(1 - self.nu) * one.g + Term(self.nu) * mean
        root = Term(1 - self.nu2) * one.g.power(2.0) + Term(self.nu2) * square
        yield (one.w - one.rate * step / (root.sqrt() + self.delta)).at("w", ())
