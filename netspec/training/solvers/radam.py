"""RAdam: m and v as in Adam; with t = iteration + 1, L = 2 / (1 - momentum2) - 1 and

l = L - 2 * t * momentum2^t / (1 - momentum2^t), the number of gradients that v stands for:
where l > 5, w = w - rate * R * m / (1 - momentum^t) / (sqrt(v) + delta), with
R = sqrt((1 - momentum2^t) * (l - 4) * (l - 2) * L / ((L - 4) * (L - 2) * l));
before that, w = w - rate * m / (1 - momentum^t).

g is the clipped, divided and decayed gradient. Source: Liu et al. 2020, algorithm 2. It asks for l > 4; their program
and PyTorch wait for 5, because there R is less of an approximation, and so does this one. It has no delta.
"""

from __future__ import annotations

from netspec.core.calls import Calls, Update
from netspec.training.solvers._moments import TwoMoments


class RAdam(TwoMoments):
    """Adam that does not divide by the mean square before it is known well: a warm-up of its own."""

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels import update_moments

        yield run.by(update_moments.radam, self.moments())
