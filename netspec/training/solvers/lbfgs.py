"""LBFGS: w = w + t * d, with d = -H g and a step t that fulfils the strong Wolfe conditions.

H is the inverse Hessian as the last `memory` pairs (s, y) know it: the change of w in an iteration, and the change of
the gradient on that iteration's batches. The two-loop recursion gives H g; it begins with H = s.y / y.y, times a
param's `lr_mult`. A pair whose s.y is not positive would make H indefinite and is left out. Where the search finds no
lower point, w stays and the pairs are forgotten, so that the next iteration goes down the gradient.

Source: Nocedal 1980; Liu & Nocedal 1989; Nocedal & Wright 2006, algorithms 7.4 and 7.5. The first step tried is 1, and
without pairs 1 / |g|_1 if that is less, as in PyTorch. There `memory` is 100, and one `step` makes up to 20 iterations
on its batch; here each iteration has its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from netspec.core.calls import Slot, SolverState
from netspec.core.model import Aka, wrong
from netspec.core.shape import Shape, count
from netspec.training.solvers._line_search import Armijo, Curvature, Line, Trials, Wolfe, strong_wolfe
from netspec.training.solvers.base_driving import RATE, DrivingRule, Objective

if TYPE_CHECKING:
    from netspec.core.calls import Array

LEAST = 1e-10
"""Least cosine of the angle between the s and the y of a pair."""


class LBFGS(DrivingRule):
    """Quasi-Newton steps from the last changes of weights and gradients; for full or large batches."""

    unused: ClassVar[tuple[str, ...]] = (*DrivingRule.unused, *RATE)

    memory: Annotated[int, Aka("history_size", "m", "maxcor")] = Field(
        10, gt=0, le=10_000, description="Pairs of changes that are kept."
    )
    initial_step: float = Field(1.0, gt=0, description="The first step that a line search tries.")
    armijo: Armijo = 1e-4
    curvature: Curvature = 0.9
    trials: Trials = 25

    @model_validator(mode="after")
    def _check(self) -> LBFGS:
        if self.armijo >= self.curvature:
            raise wrong("`armijo` must be less than `curvature`, or no step may fulfil both", field="armijo")
        return self

    def state(self, params: Sequence[Shape]) -> SolverState:
        """The pairs in two rings, and how many were written."""
        ring = Slot((self.memory, sum(map(count, params))), "float64")
        return SolverState(tuple({} for _ in params), {"steps": ring, "changes": ring, "pairs": Slot((1,), "float64")})

    def step(self, objective: Objective) -> Array:
        """One line search along -H g."""
        start, g, whole = objective.start, objective.gradient(objective.start), objective.whole
        if not g.any():
            return start
        direction = -self._times(whole, g, objective.lr_mult)
        if not direction @ g < 0:
            whole["pairs"][0] = 0
            direction = -objective.lr_mult * g
        shrunk = 1.0 if whole["pairs"][0] else min(1.0, 1 / float(abs(g).sum()))
        wolfe = Wolfe(self.armijo, self.curvature, self.trials)
        found = strong_wolfe(Line(objective, direction), self.initial_step * shrunk, wolfe)
        if found.step == 0:
            whole["pairs"][0] = 0
        else:
            self._add(whole, found.point - start, found.gradient - g)
        return found.point

    def _times(self, whole: dict[str, Array], g: Array, lr_mult: Array) -> Array:
        """H g, by the two-loop recursion."""
        written = int(whole["pairs"][0])
        places = [number % self.memory for number in range(max(0, written - self.memory), written)]
        pairs = [(whole["steps"][place], whole["changes"][place]) for place in places]
        result, taken = g.copy(), []
        for s, y in reversed(pairs):
            share = (s @ result) / (s @ y)
            result -= share * y
            taken.append(share)
        result *= lr_mult
        if pairs:
            s, y = pairs[-1]
            result *= (s @ y) / (y @ (lr_mult * y))
        for (s, y), share in zip(pairs, reversed(taken), strict=True):
            result += (share - (y @ result) / (s @ y)) * s
        return result

    def _add(self, whole: dict[str, Array], s: Array, y: Array) -> None:
        """Write a pair in the place of the oldest, if its s.y is positive."""
        if s @ y > LEAST * float((s @ s) * (y @ y)) ** 0.5:
            place = int(whole["pairs"][0]) % self.memory
            whole["steps"][place], whole["changes"][place] = s, y
            whole["pairs"][0] += 1
