"""Lion: w = w - rate * (sign(momentum * m + (1 - momentum) * g) + decay), m = momentum2 * m + (1 - momentum2) * g.

g is the clipped and divided gradient without the decay; decay = l2 * w + l1 * sign(w) is what the regularizer would add
to it. The rate is multiplied to both, as in the paper. Where the sign is that of 0, only the decay moves the weight.
Source: Chen et al. 2023, algorithm 2; its rates are 3 to 10 times smaller than AdamW's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from netspec.core.calls import Calls, Update
from netspec.core.worked import Term, Worked
from netspec.training.solvers._moments import Beta, Beta2, mixed
from netspec.training.solvers.base import OneWeight, UpdateRule


class Lion(UpdateRule):
    """Steps of one size for all weights, in the direction of the sign of a momentum; weight decay beside them."""

    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    momentum: Beta = Field(0.9, description="Share of the momentum beside the gradient where the sign is taken.")
    momentum2: Beta2 = Field(0.99, description="Share of the momentum that stays in each iteration.")

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels.update_rules import Share, lion

        seen, kept = Share(self.momentum, 1 - self.momentum), Share(self.momentum2, 1 - self.momentum2)
        yield run.by(lion, seen, kept)

    def worked(self, one: OneWeight) -> Iterator[Worked]:
        """The number whose sign counts, the momentum; then the weight."""
        seen = mixed(self.momentum, one.history["momentum"], one.diff)
        yield seen.at("seen", ())
        yield mixed(self.momentum2, one.history["momentum"], one.diff).at("momentum", ())
        sign = Term(float((seen > 0.0) - (seen < 0.0)))
        yield (one.w - one.rate * (sign if one.pull is None else sign + one.pull)).at("w", ())
