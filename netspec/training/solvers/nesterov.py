"""Nesterov: h' = momentum * h + rate * g, w = w - ((1 + momentum) * h' - momentum * h).

g is the clipped, divided and decayed gradient. The weights w are Nesterov's look-ahead point, one momentum step ahead
of his own weights: there he takes the gradient.
Source: Caffe nesterov_solver.cpp; Nesterov 1983; for the look-ahead form Bengio, Boulanger-Lewandowski & Pascanu 2013.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Calls, Update
from netspec.core.model import Bounds
from netspec.core.worked import Term, Worked
from netspec.training.solvers.base import OneWeight, UpdateRule


class Nesterov(UpdateRule):
    """Stochastic gradient descent with Nesterov's momentum."""

    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    momentum: Annotated[float, Bounds(ge=0, lt=1)] = Field(
        0.0, description="Share of the last step that is taken again."
    )

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels import update_rules

        yield run.by(update_rules.nesterov, self.momentum)

    def worked(self, one: OneWeight) -> Iterator[Worked]:
        """The step of SGD; then the weight less more than that step."""
        before, momentum = one.history["momentum"], Term(self.momentum)
        step = momentum * before + one.rate * one.g
        yield step.at("momentum", ())
        yield (one.w - ((1.0 + momentum) * step.known() - momentum * before)).at("w", ())
