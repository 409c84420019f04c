"""RMSProp: h = rms_decay * h + (1 - rms_decay) * g^2, w = w - rate * g / (sqrt(h) + delta).

g is the clipped, divided and decayed gradient. Source: Caffe rmsprop_solver.cpp; Tieleman & Hinton 2012.
As in Caffe, h starts at zero and there is no momentum. TensorFlow's rule differs: its h starts at one, its delta stands
under the root, and it has a momentum.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from netspec.core.calls import Calls, Update
from netspec.core.model import Aka
from netspec.core.worked import Worked
from netspec.training.solvers._moments import ADDED, SQUARE, Delta, mixed
from netspec.training.solvers.base import OneWeight, UpdateRule


class RMSProp(UpdateRule):
    """Gradients divided by the root of their mean square, a moving average; without momentum."""

    slots: ClassVar[tuple[str, ...]] = ("mean_square",)

    rms_decay: Annotated[float, Aka("rho")] = Field(0.99, ge=0, lt=1, description=SQUARE)
    delta: Delta = Field(1e-8, description=ADDED)

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels import update_rules

        yield run.by(update_rules.squares, update_rules.Share(self.rms_decay, 1 - self.rms_decay), self.delta)

    def worked(self, one: OneWeight) -> Iterator[Worked]:
        """The mean square; then the weight."""
        square = mixed(self.rms_decay, one.history["mean_square"], one.g.power(2.0))
        yield square.at("mean_square", ())
        yield (one.w - one.rate * one.g / (square.known().sqrt() + self.delta)).at("w", ())
