"""RAdam: m and v as in Adam; with t = iteration + 1, L = 2 / (1 - momentum2) - 1 and

l = L - 2 * t * momentum2^t / (1 - momentum2^t), the number of gradients that v stands for:
where l > 5, w = w - rate * R * m / (1 - momentum^t) / (sqrt(v) + delta), with
R = sqrt((1 - momentum2^t) * (l - 4) * (l - 2) * L / ((L - 4) * (L - 2) * l));
before that, w = w - rate * m / (1 - momentum^t).

g is the clipped, divided and decayed gradient. Source: Liu et al. 2020, algorithm 2. It asks for l > 4; their program
and PyTorch wait for 5, because there R is less of an approximation, and so does this one. It has no delta.
"""

from __future__ import annotations

from collections.abc import Iterator

from netspec.core.calls import Calls, Update
from netspec.core.worked import Term, Worked
from netspec.training.solvers._moments import TwoMoments
from netspec.training.solvers.base import OneWeight


class RAdam(TwoMoments):
    """Adam that does not divide by the mean square before it is known well: a warm-up of its own."""

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels import update_moments

        yield run.by(update_moments.radam, self.moments())

    def worked(self, one: OneWeight) -> Iterator[Worked]:
        """Both averages; then the weight, with R once the mean square is known well."""
        from netspec.kernels.update_moments import TRACTABLE

        mean, square = averages = self.averages(one, one.g)
        yield from self.told(averages)
        step = one.rate * mean.known() / (1.0 - Term(self.momentum).power(one.t))
        left, most = 1 - self.momentum2**one.t, 2 / (1 - self.momentum2) - 1
        length = most - 2 * one.t * (1 - left) / left
        if length > TRACTABLE:
            factor = left * (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
            step = step * Term(factor).sqrt() / (square.known().sqrt() + self.delta)
        yield (one.w - step).at("w", ())
