"""Update rules whose step is scaled by the norms of a whole param: LARS and LAMB.

Each takes two kernels. The first leaves sums of squares of its parts in `sums` (parts, 2), which lies flat: of w, and
of what it is compared with. The second adds them up in order, so all its parts find the same ratio, on any number of
threads. w, diff, history, mean, square: (M,). Nothing is written while the gate is shut, but for `sums`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from netspec.codegen.kernel import helper, kernel, span, summing
from netspec.codegen.kinds import Double, Doubles, Vector
from netspec.core.calls import Local, Now
from netspec.kernels.update import squares
from netspec.kernels.update_moments import Moments, shares
from netspec.kernels.update_rules import correction, descend, moved, pull


class Trust(NamedTuple):
    """LARS's settings: the share of the last step, the factor of the ratio, and 1 where the param is adapted."""

    momentum: Double
    coefficient: Double
    adapts: int


@helper
def norms(sums: Doubles) -> tuple[float, float]:
    """The two norms whose sums of squares lie in `sums` by parts."""
    first, second = 0.0, 0.0
    for i in range(sums.size // 2):
        first += sums[2 * i]
        second += sums[2 * i + 1]
    return math.sqrt(first), math.sqrt(second)


@summing
def _of_gradient(w: Vector, diff: Vector, factor: float, l1: float) -> float:
    """The sum of squares of factor * diff + l1 * sign(w)."""
    total = 0.0
    for i in range(w.size):
        value = np.float64(diff[i] * factor + pull(w[i], l1, l1 - l1))
        total += value * value
    return total


@kernel
def lars_norms(w: Vector, diff: Vector, now: Now, local: Local, sums: Doubles, part: int, parts: int) -> None:
    """Sums of squares of w, and of the gradient without its L2 decay."""
    first, last = span(w.size, part, parts)
    sums[2 * part] = squares(w[first:last])
    sums[2 * part + 1] = _of_gradient(w[first:last], diff[first:last], now.gate[1], local.l1)


@kernel
def lars(
    w: Vector,
    diff: Vector,
    history: Vector,
    now: Now,
    local: Local,
    trust: Trust,
    sums: Doubles,
    part: int,
    parts: int,
) -> None:
    """history = momentum * history + rate * ratio * gradient; w -= history.

    ratio = coefficient * |w| / (|gradient without L2| + l2 * |w|); 1 where a norm is 0 or the param is not adapted.
    """
    real, ratio = w.dtype.type, 1.0
    if trust.adapts:
        weight, gradient = norms(sums)
        if weight > 0 and gradient > 0:
            ratio = trust.coefficient * weight / (gradient + local.l2 * weight)
    rate = real(np.float64(now.rate[0]) * local.lr_mult * ratio)
    descend(w, diff, history, now, local, rate, real(trust.momentum), part, parts)


class _Lamb(NamedTuple):
    """Factors of the two averages, free of the bias of their start, and what is added to the root."""

    of_mean: Double
    of_square: Double
    delta: Double


@helper
def _lamb(moments: Moments, iteration: int) -> _Lamb:
    of_mean, of_square = correction(moments.momentum, iteration), correction(moments.momentum2, iteration)
    return _Lamb(1.0 / of_mean, 1.0 / of_square, moments.delta)


@summing
def _of_step(w: Vector, mean: Vector, square: Vector, lamb: _Lamb, local: Local) -> float:
    """The sum of squares of LAMB's step before it is scaled."""
    real = w.dtype.type
    of_mean, of_square, delta = real(lamb.of_mean), real(lamb.of_square), real(lamb.delta)
    total = 0.0
    for i in range(w.size):
        step = of_mean * mean[i] / (math.sqrt(of_square * square[i]) + delta) + pull(w[i], local.l1, local.l2)
        value = np.float64(step)
        total += value * value
    return total


@kernel
def lamb_norms(
    w: Vector,
    diff: Vector,
    mean: Vector,
    square: Vector,
    now: Now,
    local: Local,
    moments: Moments,
    sums: Doubles,
    part: int,
    parts: int,
) -> None:
    """Move both averages by the gradient; sums of squares of w, and of the step before it is scaled."""
    if now.gate[0] == 0:
        return
    real, factor = w.dtype.type, now.gate[1]
    first, second = shares(moments, real)
    a, b = span(w.size, part, parts)
    w, diff, mean, square = w[a:b], diff[a:b], mean[a:b], square[a:b]
    for i in range(w.size):
        g = diff[i] * factor
        mean[i] = moved(mean[i], g, first)
        square[i] = moved(square[i], g * g, second)
    sums[2 * part] = squares(w)
    sums[2 * part + 1] = _of_step(w, mean, square, _lamb(moments, now.clock[0]), local)


@kernel
def lamb(
    w: Vector,
    mean: Vector,
    square: Vector,
    now: Now,
    local: Local,
    moments: Moments,
    sums: Doubles,
    adapts: int,
    part: int,
    parts: int,
) -> None:
    """w -= rate * ratio * step, where ratio = |w| / |step|; 1 where a norm is 0 or the param is not adapted.

    step = mean / (1 - momentum^t) / (sqrt(square / (1 - momentum2^t)) + delta) + decay.
    """
    if now.gate[0] == 0:
        return
    real, ratio = w.dtype.type, 1.0
    if adapts:
        weight, whole = norms(sums)
        if weight > 0 and whole > 0:
            ratio = weight / whole
    factors = _lamb(moments, now.clock[0])
    of_mean, of_square, delta = real(factors.of_mean), real(factors.of_square), real(factors.delta)
    rate = real(np.float64(now.rate[0]) * local.lr_mult * ratio)
    a, b = span(w.size, part, parts)
    w, mean, square = w[a:b], mean[a:b], square[a:b]
    for i in range(w.size):
        step = of_mean * mean[i] / (math.sqrt(of_square * square[i]) + delta) + pull(w[i], local.l1, local.l2)
        w[i] -= rate * step
