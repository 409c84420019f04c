"""AdaMax: m = momentum * m + (1 - momentum) * g, u = max(momentum2 * u, |g| + delta), and with t = iteration + 1

w = w - rate / (1 - momentum^t) * m / u.

g is the clipped, divided and decayed gradient. Source: Kingma & Ba 2015, algorithm 2, which has no delta; it stands
where PyTorch has it. Keras adds it to u instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Calls, Update
from netspec.core.model import Aka
from netspec.core.worked import Term, Worked, greatest
from netspec.training.solvers._moments import MEAN, Beta, Beta2, mixed
from netspec.training.solvers.base import OneWeight, UpdateRule


class AdaMax(UpdateRule):
    """Means of gradients divided by the largest gradient, which is forgotten little by little."""

    slots: ClassVar[tuple[str, ...]] = ("mean", "largest")

    momentum: Beta = Field(0.9, description=MEAN)
    momentum2: Beta2 = Field(0.999, description="Share of the largest gradient that stays in each iteration.")
    delta: Annotated[float, Aka("eps", "epsilon")] = Field(
        1e-8, ge=1e-30, le=1e18, description="Added to the gradient's size, so that nothing is divided by zero."
    )

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels import update_rules

        yield run.by(update_rules.adamax, self.momentum, self.momentum2, self.delta)

    def worked(self, one: OneWeight) -> Iterator[Worked]:
        """The mean and the largest gradient; then the weight."""
        mean = mixed(self.momentum, one.history["mean"], one.g)
        yield mean.at("mean", ())
        largest = greatest([Term(self.momentum2) * one.history["largest"], one.g.abs() + self.delta])
        yield largest.at("largest", ())
        freed = one.rate / (1.0 - Term(self.momentum).power(one.t))
        yield (one.w - freed * mean.known() / largest.known()).at("w", ())
