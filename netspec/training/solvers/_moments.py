"""What solver types share that keep moving averages of the gradient and of its square."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from netspec.core.model import Aka
from netspec.core.worked import Term, Worked
from netspec.training.solvers.base import OneWeight, UpdateRule

if TYPE_CHECKING:
    from netspec.kernels.update_moments import Moments

Beta = Annotated[float, Aka("beta1", "beta_1"), Field(ge=0, lt=1)]
Beta2 = Annotated[float, Aka("beta2", "beta_2"), Field(ge=0, lt=1)]

# Where g^2 is too small for float32, g / delta must not be more than g / sqrt(g^2) would be: hence the least delta.
Delta = Annotated[float, Aka("eps", "epsilon"), Field(ge=1e-18, le=1e18)]
"""What a rule adds to the root of a mean square."""

MEAN = "Share of the mean gradient that stays in each iteration."
SQUARE = "Share of the mean square that stays in each iteration."
ADDED = "Added to the root, so that nothing is divided by zero."


def mixed(share: float, average: Term, value: Term) -> Term:
    """A moving average with one more value, for a reader: `share` of it stays."""
    return Term(share) * average + Term(1 - share) * value


class TwoMoments(UpdateRule):
    """Keeps the moving averages of the gradient and of its square."""

    slots: ClassVar[tuple[str, ...]] = ("mean", "mean_square")

    momentum: Beta = Field(0.9, description=MEAN)
    momentum2: Beta2 = Field(0.999, description=SQUARE)
    delta: Delta = Field(1e-8, description=ADDED)

    def moments(self) -> Moments:
        """The settings of the averages, as kernels take them."""
        from netspec.kernels.update_moments import Moments

        return Moments(self.momentum, self.momentum2, self.delta)

    def averages(self, one: OneWeight, gradient: Term) -> tuple[Term, Term]:
        """The new averages of one weight, for a reader."""
        mean = mixed(self.momentum, one.history["mean"], gradient)
        return mean, mixed(self.momentum2, one.history["mean_square"], gradient.power(2.0))

    def told(self, averages: tuple[Term, Term]) -> Iterator[Worked]:
        """The averages as explanations."""
        for name, term in zip(self.slots, averages, strict=True):
            yield term.at(name, ())
