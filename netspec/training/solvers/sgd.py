"""SGD: h = momentum * h + rate * g, w = w - h, with g the clipped, divided and decayed gradient.

Source: Caffe sgd_solver.cpp. The history includes the rate, so that a later change of rate does not rescale it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Calls, Update
from netspec.core.model import Bounds
from netspec.core.worked import Term, Worked
from netspec.training.solvers.base import OneWeight, UpdateRule


class SGD(UpdateRule):
    """Stochastic gradient descent with momentum."""

    slots: ClassVar[tuple[str, ...]] = ("momentum",)

    momentum: Annotated[float, Bounds(ge=0, lt=1)] = Field(
        0.0, description="Share of the last step that is taken again."
    )

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels import update_rules

        yield run.by(update_rules.sgd, self.momentum)

    def worked(self, one: OneWeight) -> Iterator[Worked]:
        """The step; then the weight less the step."""
        step = one.rate * one.g
        if self.momentum:
            step = Term(self.momentum) * one.history["momentum"] + step
            yield step.at("momentum", ())
            step = step.known()
        yield (one.w - step).at("w", ())
