"""Line searches: how far to go from an iteration's start along a direction in which the loss falls.

`backtracking` halves a step until the loss falls enough (Armijo 1966; Nocedal & Wright 2006, algorithm 3.1).
`strong_wolfe` finds a step at which the slope is small too: algorithms 3.5 and 3.6 of Nocedal & Wright, with the minima
of cubics (equation 3.59). The book leaves open how far a trial may be from the last: here between 1.01 and 10 times as
far while the minimum is not enclosed, and then a tenth of the interval off its ends, as in minFunc (Schmidt 2005) and
in PyTorch.
"""

from __future__ import annotations

from math import isfinite, sqrt
from typing import TYPE_CHECKING, Annotated, NamedTuple

from pydantic import Field

from netspec.core.model import Aka
from netspec.training.solvers.base_driving import Objective

if TYPE_CHECKING:
    from netspec.core.calls import Array

Armijo = Annotated[
    float,
    Aka("c1"),
    Field(gt=0, lt=1, description="Share of the fall that the slope promises which a step must bring."),
]
Curvature = Annotated[
    float, Aka("c2"), Field(gt=0, lt=1, description="Share of the first slope that may be left at a step's end.")
]
Trials = Annotated[
    int, Aka("max_ls", "max_linesearch"), Field(gt=0, description="Most points that a line search tries.")
]


class Trial(NamedTuple):
    """A point of a line: its step, the point, the loss, the gradient, and the slope along the line."""

    step: float
    point: Array
    loss: float
    gradient: Array
    slope: float


class Wolfe(NamedTuple):
    """The conditions on a step, and the most points that are tried."""

    armijo: float
    curvature: float
    trials: int

    def falls(self, begin: Trial, now: Trial) -> bool:
        """Whether the loss falls enough."""
        return now.loss <= begin.loss + self.armijo * now.step * begin.slope

    def flat(self, begin: Trial, now: Trial) -> bool:
        """Whether the slope is small enough."""
        return abs(now.slope) <= -self.curvature * begin.slope


class Line:
    """The points start + step * direction of an iteration."""

    def __init__(self, objective: Objective, direction: Array) -> None:
        self._objective, self.direction = objective, direction
        self.begin = self(0.0)

    def point(self, step: float) -> Array:
        """The point at a step."""
        return self._objective.start + step * self.direction

    def loss(self, step: float) -> float:
        """The loss at a step."""
        return self._objective.loss(self.point(step))

    def __call__(self, step: float) -> Trial:
        """Loss, gradient and slope at a step."""
        point = self.point(step)
        loss, gradient = self._objective.slope(point)
        return Trial(step, point, loss, gradient, float(gradient @ self.direction))


def backtracking(line: Line, step: float, armijo: float, trials: int) -> float:
    """The first of step, step/2, step/4, ... at which the loss falls enough; 0 where none of them does."""
    for _ in range(trials):
        if line.loss(step) <= line.begin.loss + armijo * step * line.begin.slope:
            return step
        step /= 2
    return 0.0


def strong_wolfe(line: Line, step: float, wolfe: Wolfe) -> Trial:
    """A point that fulfils both conditions; after the last trial the lowest whose loss falls enough, or the start."""
    last = line.begin
    for number in range(wolfe.trials):
        now = line(step)
        left = wolfe.trials - 1 - number
        if not wolfe.falls(line.begin, now) or (number > 0 and now.loss >= last.loss):
            return _zoom(line, last, now, wolfe, left)
        if wolfe.flat(line.begin, now):
            return now
        if now.slope >= 0:
            return _zoom(line, now, last, wolfe, left)
        step = _lowest(last, now, now.step + 0.01 * (now.step - last.step), 10 * now.step)
        last = now
    return last


def _zoom(line: Line, low: Trial, high: Trial, wolfe: Wolfe, trials: int) -> Trial:
    """A point between two at which both conditions hold; at `low` the loss is lower, and falls enough."""
    close = False
    for _ in range(trials):
        first, last = sorted((low.step, high.step))
        step, edge = _lowest(low, high, first, last), 0.1 * (last - first)
        near = min(last - step, step - first) < edge
        if near and (close or not first < step < last):
            step, near = (last - edge if last - step < step - first else first + edge), False
        close = near
        if not first < step < last:  # no number lies between them
            break
        now = line(step)
        if not wolfe.falls(line.begin, now) or now.loss >= low.loss:
            high = now
            continue
        if wolfe.flat(line.begin, now):
            return now
        if now.slope * (high.step - low.step) >= 0:
            high = low
        low = now
    return low


def _lowest(one: Trial, other: Trial, least: float, most: float) -> float:
    """The step, between bounds, at which the cubic through two points and their slopes is lowest.

    Without such a step, and where a value is not finite, the middle.
    """
    left, right = sorted((one, other), key=lambda trial: trial.step)
    middle = (least + most) / 2
    if not all(map(isfinite, (left.loss, right.loss, left.slope, right.slope))):
        return middle
    width = right.step - left.step
    mean = left.slope + right.slope - 3 * (left.loss - right.loss) / (left.step - right.step)
    square = mean * mean - left.slope * right.slope
    bottom = right.slope - left.slope + 2 * sqrt(max(square, 0.0))
    if square < 0 or bottom == 0:
        return middle
    return min(max(right.step - width * (right.slope + sqrt(square) - mean) / bottom, least), most)
