"""Rprop: every weight has a step of its own, and only the sign of its gradient g counts: w = w - rate * step * sign(g).

Where the sign is that of the iteration before, step = min(step * grow, step_max) first. Where it is the other one,
step = max(step * shrink, step_min), the weight stays, and the next step keeps its size.

g is the clipped, divided and decayed gradient. Source: Riedmiller & Braun 1993; where the sign changes, weights are not
set back but stay: iRprop- of Igel & Huesken 2000, as in PyTorch. Gradients should be those of all samples. The rate is
a factor on every step: `base_lr: 1` is the papers' rule. In PyTorch the rate is the first step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Self

from pydantic import Field, model_validator

from netspec.core.calls import Calls, Slot, SolverState, Update
from netspec.core.model import Aka, wrong
from netspec.core.shape import Shape
from netspec.training.solvers.base import UpdateRule


class Rprop(UpdateRule):
    """Steps that grow while the gradient keeps its sign and shrink where it changes; for gradients of all samples."""

    step: float = Field(0.1, ge=1e-30, le=1e30, description="Every weight's step at the start.")
    grow: Annotated[float, Aka("etaplus")] = Field(
        1.2, ge=1, le=1e6, description="Factor on the step where the sign of the gradient stays."
    )
    shrink: Annotated[float, Aka("etaminus")] = Field(
        0.5, gt=0, le=1, description="Factor on the step where the sign of the gradient changes."
    )
    step_min: float = Field(1e-6, ge=1e-30, le=1e30, description="Smallest step.")
    step_max: float = Field(50.0, ge=1e-30, le=1e30, description="Largest step.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.step_min <= self.step <= self.step_max:
            text = f"`step` must lie between step_min ({self.step_min:g}) and step_max ({self.step_max:g})"
            raise wrong(text, field="step")
        return self

    def state(self, params: Sequence[Shape]) -> SolverState:
        """The sign of the last gradient, 0 where none counts, and the step of every weight."""
        return SolverState(tuple({"sign": Slot(shape), "step": Slot(shape, start=self.step)} for shape in params))

    def update(self, run: Update) -> Calls:
        """A single Call that updates weight and history."""
        from netspec.kernels.update_rules import Steps, rprop

        yield run.by(rprop, Steps(self.grow, self.shrink, self.step_min, self.step_max))
