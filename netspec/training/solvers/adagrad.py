"""AdaGrad: h = h + g^2, w = w - rate * g / (sqrt(h) + delta).

g is the clipped, divided and decayed gradient. Source: Caffe adagrad_solver.cpp; Duchi, Hazan & Singer 2011. As in
Caffe, h starts at zero; TensorFlow and Keras start it at 0.1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from netspec.core.calls import Calls, Update
from netspec.core.worked import Worked
from netspec.training.solvers._moments import ADDED, Delta
from netspec.training.solvers.base import OneWeight, UpdateRule


class AdaGrad(UpdateRule):
    """Gradients divided by the root of the sum of all their squares; without momentum."""

    slots: ClassVar[tuple[str, ...]] = ("sum_of_squares",)

    delta: Delta = Field(1e-8, description=ADDED)

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels import update_rules

        yield run.by(update_rules.squares, update_rules.Share(1.0, 1.0), self.delta)

    def worked(self, one: OneWeight) -> Iterator[Worked]:
        """The sum of squares; then the weight."""
        square = one.history["sum_of_squares"] + one.g.power(2.0)
        yield square.at("sum_of_squares", ())
        yield (one.w - one.rate * one.g / (square.known().sqrt() + self.delta)).at("w", ())
