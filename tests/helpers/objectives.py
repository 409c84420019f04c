"""Objectives: functions in the place of a net, for the solver types that drive passes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from netspec.training.solvers.base_driving import DrivingRule
from tests.helpers.checks import Array

Function = Callable[[Array], tuple[float, Array]]
"""The loss and the gradient (n,) at a point (n,)."""


class Plain:
    """An Objective of a function; `asked` holds the points at which it was evaluated."""

    def __init__(self, function: Function, start: Array, rule: DrivingRule | None = None, rate: float = 1.0) -> None:
        self.function, self.start, self.rate, self.iteration, self.eps = function, start.copy(), rate, 0, 2.0**-52
        self.spans, self.lr_mult = (slice(0, start.size),), np.ones(start.size)
        slots = rule.state([start.shape]).whole if rule else {}
        self.params: tuple[dict[str, Array], ...] = ({},)
        self.whole = {name: np.full(slot.shape, slot.start) for name, slot in slots.items()}
        self.asked: list[Array] = []

    def slope(self, at: Array) -> tuple[float, Array]:
        self.asked.append(at.copy())
        return self.function(at)

    def loss(self, at: Array) -> float:
        return self.slope(at)[0]

    def gradient(self, at: Array) -> Array:
        return self.slope(at)[1]

    def product(self, at: Array, v: Array) -> Array:
        h = 6e-6 * max(1.0, float(np.linalg.norm(at))) / float(np.linalg.norm(v))
        return (self.gradient(at + h * v) - self.gradient(at - h * v)) / (2 * h)

    def iterate(self, rule: DrivingRule, times: int = 1) -> list[Array]:
        """The points after one, two, ... iterations."""
        points = []
        for _ in range(times):
            self.start = rule.step(self)
            self.iteration += 1
            points.append(self.start.copy())
        return points


def rosenbrock(w: Array) -> tuple[float, Array]:
    """The sum of 100 (w[i+1] - w[i]^2)^2 + (1 - w[i])^2."""
    rise, rest = w[1:] - w[:-1] ** 2, 1 - w[:-1]
    g = np.zeros_like(w)
    g[1:] += 200 * rise
    g[:-1] -= 400 * rise * w[:-1] + 2 * rest
    return float((100 * rise**2 + rest**2).sum()), g


def quadratic(matrix: Array) -> Function:
    """w.A w / 2."""
    return lambda w: (float(w @ matrix @ w) / 2, matrix @ w)
