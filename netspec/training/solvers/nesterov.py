"""Nesterov: h' = momentum * h + rate * g, w = w - ((1 + momentum) * h' - momentum * h).

g is the clipped, divided and decayed gradient. The weights w are Nesterov's look-ahead point, one momentum step ahead
of his own weights: there he takes the gradient.
Source: Caffe nesterov_solver.cpp; Nesterov 1983; for the look-ahead form Bengio, Boulanger-Lewandowski & Pascanu 2013.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.core.calls import Calls, Update
from netspec.training.solvers.base import UpdateRule


class Nesterov(UpdateRule):
    """Stochastic gradient descent with Nesterov's momentum."""

    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    momentum: float = Field(0.0, ge=0, lt=1, description="Share of the last step that is taken again.")

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels import update_rules

        yield run.by(update_rules.nesterov, self.momentum)
