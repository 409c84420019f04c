"""Nesterov: h' = momentum * h + rate * g, w = w - ((1 + momentum) * h' - momentum * h), with g the clipped, divided and decayed gradient.

The weights are kept one momentum step ahead of Nesterov's own, where he takes the gradient.
Source: Caffe nesterov_solver.cpp; Nesterov 1983; for weights that are ahead, Bengio, Boulanger-Lewandowski & Pascanu 2013.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from netspec.core.calls import Calls, Update
from netspec.training.solvers.base import UpdateRule


class Nesterov(UpdateRule):
    """Stochastic gradient descent with Nesterov's momentum."""

    slots: ClassVar[int] = 1

    momentum: float = Field(0.0, ge=0, lt=1, description="Share of the last step that is taken again.")

    def update(self, run: Update) -> Calls:
        """One pass over the weights."""
        from netspec.kernels import update

        yield run.by(update.nesterov, self.momentum)
