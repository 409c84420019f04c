"""Update rules that walk over a weight once: momentum, sums of squares, largest gradients, signs.

w, diff and the arrays of history: (M,). Nothing is written while the gate is shut. g is the gradient that a rule works
with: clipped, divided by iter_size and decayed. What an array of history keeps is `settled`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Double, Vector
from netspec.core.calls import Local, Now

SMALLEST = np.float32(1e-36)
"""Smaller values of a history become 0. Where gradients stay 0, a momentum would else shrink into the denormal numbers
and stay there, and many CPUs take a hundred cycles for each of these."""
ZERO: Any = np.float32(0)


@helper
def settled(x: float) -> float:
    """x, or 0 where it is smaller than any gradient that matters; NaN stays NaN."""
    return ZERO if abs(x) < SMALLEST else x


@helper
def sign(x: float, one: float) -> float:
    """1, 0 or -1, in the number type of `one`."""
    if x == 0:
        return one - one
    return one if x > 0 else -one


@helper
def pull(w: float, l1: float, l2: float) -> float:
    """The gradient of the decay: l2 * w + l1 * sign(w)."""
    return l2 * w + sign(w, l1)


@helper
def decayed(g: float, w: float, factor: float, local: Local) -> float:
    """The gradient that a rule works with: g * factor + l2 * w + l1 * sign(w), added in this order.

    Trainings that version 0.1.0 began go on bit for bit.
    """
    return g * factor + local.l2 * w + sign(w, local.l1)


@helper
def correction(share: float, iteration: int) -> float:
    """The sum of the weights in a moving average of which `share` stays: 1 - share ** (iteration + 1), in float64."""
    return 1.0 - share ** np.float64(iteration + 1)


@helper
def descend(
    w: Vector,
    diff: Vector,
    history: Vector,
    now: Now,
    local: Local,
    rate: float,
    momentum: float,
    part: int,
    parts: int,
) -> None:
    """history = momentum * history + rate * g; w -= history."""
    if now.gate[0] == 0:
        return
    factor = now.gate[1]
    first, last = span(w.size, part, parts)
    w, diff, history = w[first:last], diff[first:last], history[first:last]
    for i in range(w.size):
        step = settled(momentum * history[i] + rate * decayed(diff[i], w[i], factor, local))
        history[i] = step
        w[i] -= step


@kernel
def sgd(
    w: Vector, diff: Vector, history: Vector, now: Now, local: Local, momentum: float, part: int, parts: int
) -> None:
    """history = momentum * history + rate * lr_mult * g; w -= history."""
    descend(w, diff, history, now, local, now.rate[0] * local.lr_mult, momentum, part, parts)


@kernel
def nesterov(
    w: Vector, diff: Vector, history: Vector, now: Now, local: Local, momentum: float, part: int, parts: int
) -> None:
    """history as in `sgd`; w -= (1 + momentum) * history - momentum * the history before."""
    if now.gate[0] == 0:
        return
    rate, factor = now.rate[0] * local.lr_mult, now.gate[1]
    first, last = span(w.size, part, parts)
    w, diff, history = w[first:last], diff[first:last], history[first:last]
    for i in range(w.size):
        before = history[i]
        step = settled(momentum * before + rate * decayed(diff[i], w[i], factor, local))
        history[i] = step
        w[i] -= step + momentum * (step - before)


class Share(NamedTuple):
    """How an average moves: the share of it that stays, and that of what enters."""

    stays: float
    enters: float


@helper
def moved(average: float, value: float, share: Share) -> float:
    """A moving average with one more value."""
    return settled(share.stays * average + share.enters * value)


@kernel
def squares(
    w: Vector, diff: Vector, square: Vector, now: Now, local: Local, share: Share, delta: float, part: int, parts: int
) -> None:
    """square = stays * square + enters * g^2; w -= rate * lr_mult * g / (sqrt(square) + delta).

    AdaGrad lets all stay and all enter.
    """
    if now.gate[0] == 0:
        return
    rate, factor = now.rate[0] * local.lr_mult, now.gate[1]
    first, last = span(w.size, part, parts)
    w, diff, square = w[first:last], diff[first:last], square[first:last]
    for i in range(w.size):
        g = decayed(diff[i], w[i], factor, local)
        mean = settled(share.stays * square[i] + share.enters * g * g)  # in this order since version 0.1.0
        square[i] = mean
        w[i] -= rate * g / (math.sqrt(mean) + delta)


@kernel
def adadelta(
    w: Vector,
    diff: Vector,
    square: Vector,
    step_square: Vector,
    now: Now,
    local: Local,
    share: Share,
    delta: float,
    part: int,
    parts: int,
) -> None:
    """square: the moving mean of g^2; step = g * sqrt((delta + step_square) / (delta + square)), before the rate.

    step_square: the moving mean of step^2, which the step of its own iteration does not see. w -= rate * lr_mult *
    step.
    """
    if now.gate[0] == 0:
        return
    rate, factor = now.rate[0] * local.lr_mult, now.gate[1]
    first, last = span(w.size, part, parts)
    w, diff, square, step_square = w[first:last], diff[first:last], square[first:last], step_square[first:last]
    for i in range(w.size):
        g = decayed(diff[i], w[i], factor, local)
        mean, before = moved(square[i], g * g, share), step_square[i]
        step = g * math.sqrt((delta + before) / (delta + mean))
        square[i] = mean
        step_square[i] = moved(before, step * step, share)
        w[i] -= rate * step


@kernel
def adamax(
    w: Vector,
    diff: Vector,
    mean: Vector,
    largest: Vector,
    now: Now,
    local: Local,
    momentum: Double,
    momentum2: float,
    delta: float,
    part: int,
    parts: int,
) -> None:
    """mean: the moving mean of g; largest = max(momentum2 * largest, |g| + delta).

    w -= rate * lr_mult / (1 - momentum^t) * mean / largest, at t = iteration + 1.
    """
    if now.gate[0] == 0:
        return
    real, factor = w.dtype.type, now.gate[1]
    rate = real(now.rate[0] * local.lr_mult / correction(momentum, now.clock[0]))
    share = Share(real(momentum), real(1.0 - momentum))
    first, last = span(w.size, part, parts)
    w, diff, mean, largest = w[first:last], diff[first:last], mean[first:last], largest[first:last]
    for i in range(w.size):
        g = decayed(diff[i], w[i], factor, local)
        average, high = moved(mean[i], g, share), max(momentum2 * largest[i], abs(g) + delta)
        mean[i] = average
        largest[i] = high
        w[i] -= rate * average / high


@kernel
def lion(
    w: Vector,
    diff: Vector,
    momentum: Vector,
    now: Now,
    local: Local,
    seen: Share,
    kept: Share,
    part: int,
    parts: int,
) -> None:
    """w -= rate * lr_mult * (sign(momentum with g, as `seen`) + decay); then g moves the momentum as `kept` says."""
    if now.gate[0] == 0:
        return
    rate, factor = now.rate[0] * local.lr_mult, now.gate[1]
    first, last = span(w.size, part, parts)
    w, diff, momentum = w[first:last], diff[first:last], momentum[first:last]
    for i in range(w.size):
        g, before = diff[i] * factor, momentum[i]
        direction = sign(seen.stays * before + seen.enters * g, rate)
        momentum[i] = moved(before, g, kept)
        w[i] -= direction + rate * pull(w[i], local.l1, local.l2)


class Steps(NamedTuple):
    """How Rprop's steps change: their factors where signs agree and differ, and their bounds."""

    grow: float
    shrink: float
    least: float
    most: float


@kernel
def rprop(
    w: Vector,
    diff: Vector,
    before: Vector,
    step: Vector,
    now: Now,
    local: Local,
    steps: Steps,
    part: int,
    parts: int,
) -> None:
    """w -= rate * lr_mult * step * sign(g). Where the sign is another than `before`, the weight stays, once.

    before: the sign of the last gradient, 0 where the weight stayed.
    """
    if now.gate[0] == 0:
        return
    rate, factor, one = now.rate[0] * local.lr_mult, now.gate[1], w.dtype.type(1)
    first, last = span(w.size, part, parts)
    w, diff, before, step = w[first:last], diff[first:last], before[first:last], step[first:last]
    for i in range(w.size):
        direction = sign(decayed(diff[i], w[i], factor, local), one)
        agreed, length = direction * before[i], step[i]
        if agreed > 0:
            length = min(length * steps.grow, steps.most)
        if agreed < 0:
            length = max(length * steps.shrink, steps.least)
            direction = one - one
        before[i] = direction
        step[i] = length
        w[i] -= rate * length * direction
