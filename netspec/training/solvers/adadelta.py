"""AdaDelta: h = momentum * h + (1 - momentum) * g^2, d = g * sqrt((delta + s) / (delta + h)),

s = momentum * s + (1 - momentum) * d^2, w = w - rate * d.

g is the clipped, divided and decayed gradient. Source: Caffe adadelta_solver.cpp; Zeiler 2012, whose rate is 1. As in
Caffe, the share that stays is called momentum, and is 0 where it is not given; the paper has 0.95 and a delta of 1e-6.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Calls, Update
from netspec.core.model import Aka
from netspec.core.worked import Term, Worked
from netspec.training.solvers._moments import mixed
from netspec.training.solvers.base import OneWeight, UpdateRule


class AdaDelta(UpdateRule):
    """Gradients in the units of the weights: times the root mean square of steps, divided by that of gradients."""

    slots: ClassVar[tuple[str, ...]] = ("mean_square", "mean_square_step")

    momentum: Annotated[float, Aka("rho")] = Field(
        0.0, ge=0, lt=1, description="Share of both mean squares that stays in each iteration. Common is 0.95."
    )
    delta: Annotated[float, Aka("eps", "epsilon")] = Field(
        1e-8, ge=1e-30, le=1e18, description="Added to both mean squares: it sets the size of the first steps."
    )

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels import update_rules

        yield run.by(update_rules.adadelta, update_rules.Share(self.momentum, 1 - self.momentum), self.delta)

    def worked(self, one: OneWeight) -> Iterator[Worked]:
        """The mean square, the step, its mean square; then the weight."""
        square = mixed(self.momentum, one.history["mean_square"], one.g.power(2.0))
        yield square.at("mean_square", ())
        steps = one.history["mean_square_step"]
        step = one.g * ((Term(self.delta) + steps) / (Term(self.delta) + square.known())).sqrt()
        yield step.at("step", ())
        yield mixed(self.momentum, steps, step.known().power(2.0)).at("mean_square_step", ())
        yield (one.w - one.rate * step.known()).at("w", ())
