"""Update rules with two moving averages, of the gradient and of its square: Adam and what came of it.

They are two loops, `_walk` and `_walk_blended`, with coefficients that follow from the rate and the iteration. w, diff,
mean, square: (M,). Nothing is written while the gate is shut. t = iteration + 1.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Double, Vector
from netspec.core.calls import Local, Now
from netspec.kernels.update_rules import Share, correction, decayed, moved, pull

TRACTABLE = 5.0
"""Gradients that RAdam's mean square must stand for before it is used."""


class Moments(NamedTuple):
    """The shares of the two averages that stay, and what is added to the root of the second."""

    momentum: Double
    momentum2: Double
    delta: Double


class _Decay(NamedTuple):
    """Where the decay goes: its share in the gradient, and the rate at which it is subtracted beside it."""

    inside: Double
    outside: Double


class _Blend(NamedTuple):
    """The step (of_mean * mean + of_g * g) / (sqrt(of_square * square + of_g2 * g^2) + floor)."""

    of_mean: Double
    of_g: Double
    of_square: Double
    of_g2: Double
    floor: Double


COUPLED = _Decay(1.0, 0.0)


@helper
def shares(moments: Moments, real: Any) -> tuple[Share, Share]:
    """How the two averages move, in the number type `real`."""
    return (
        Share(real(moments.momentum), real(1.0 - moments.momentum)),
        Share(real(moments.momentum2), real(1.0 - moments.momentum2)),
    )


@helper
def _walk(
    w: Vector,
    diff: Vector,
    mean: Vector,
    square: Vector,
    now: Now,
    local: Local,
    moments: Moments,
    rate: float,
    floor: float,
    where: _Decay,
    part: int,
    parts: int,
) -> None:
    """Move both averages by the gradient, and the weight by rate * mean / (sqrt(square) + floor)."""
    if now.gate[0] == 0:
        return
    real, factor, (first, second) = w.dtype.type, now.gate[1], shares(moments, w.dtype.type)
    rate, floor, inside, outside = real(rate), real(floor), real(where.inside), real(where.outside)
    a, b = span(w.size, part, parts)
    w, diff, mean, square = w[a:b], diff[a:b], mean[a:b], square[a:b]
    for i in range(w.size):
        decay = pull(w[i], local.l1, local.l2)
        g = diff[i] * factor + inside * decay
        average, power = moved(mean[i], g, first), moved(square[i], g * g, second)
        mean[i] = average
        square[i] = power
        w[i] -= outside * decay + rate * average / (math.sqrt(power) + floor)


@helper
def _walk_blended(
    w: Vector,
    diff: Vector,
    mean: Vector,
    square: Vector,
    now: Now,
    local: Local,
    moments: Moments,
    blend: _Blend,
    part: int,
    parts: int,
) -> None:
    """Move both averages by the gradient, and the weight by a step with the gradient beside its averages."""
    if now.gate[0] == 0:
        return
    real, factor, (first, second) = w.dtype.type, now.gate[1], shares(moments, w.dtype.type)
    of_mean, of_g, floor = real(blend.of_mean), real(blend.of_g), real(blend.floor)
    of_square, of_g2 = real(blend.of_square), real(blend.of_g2)
    a, b = span(w.size, part, parts)
    w, diff, mean, square = w[a:b], diff[a:b], mean[a:b], square[a:b]
    for i in range(w.size):
        g = decayed(diff[i], w[i], factor, local)
        average, power = moved(mean[i], g, first), moved(square[i], g * g, second)
        mean[i] = average
        square[i] = power
        w[i] -= (of_mean * average + of_g * g) / (math.sqrt(of_square * power + of_g2 * (g * g)) + floor)


@kernel
def adam(
    w: Vector,
    diff: Vector,
    mean: Vector,
    square: Vector,
    now: Now,
    local: Local,
    moments: Moments,
    part: int,
    parts: int,
) -> None:
    """step = rate * sqrt(1 - momentum2^t) / (1 - momentum^t) * mean / (sqrt(square) + delta)."""
    of_mean, of_square = correction(moments.momentum, now.clock[0]), correction(moments.momentum2, now.clock[0])
    rate = np.float64(now.rate[0]) * local.lr_mult
    step = rate * math.sqrt(of_square) / of_mean
    _walk(w, diff, mean, square, now, local, moments, step, moments.delta, COUPLED, part, parts)


@kernel
def adamw(
    w: Vector,
    diff: Vector,
    mean: Vector,
    square: Vector,
    now: Now,
    local: Local,
    moments: Moments,
    part: int,
    parts: int,
) -> None:
    """step = rate * (mean / (1 - momentum^t) / (sqrt(square / (1 - momentum2^t)) + delta) + decay)."""
    of_mean, of_square = correction(moments.momentum, now.clock[0]), correction(moments.momentum2, now.clock[0])
    rate = np.float64(now.rate[0]) * local.lr_mult
    root, where = math.sqrt(of_square), _Decay(0.0, rate)
    _walk(w, diff, mean, square, now, local, moments, rate * root / of_mean, moments.delta * root, where, part, parts)


@helper
def _momenta(momentum: float, decay: float, iteration: int) -> tuple[float, float, float]:
    """NAdam's momentum at t and at t + 1, and the product of those up to t.

    The momentum at t is momentum * (1 - 0.5 * 0.96^(t * decay)). The product is taken anew, so that it is a function of
    the iteration; with the usual settings it no longer counts beside 1 after some fifty factors.
    """
    fall, product = 0.96**decay, 1.0
    for t in range(iteration + 1):
        lacks = 0.5 * fall ** np.float64(t + 1)
        if lacks < 1e-17:  # it has risen: all other factors are alike
            product *= momentum ** np.float64(iteration + 1 - t)
            break
        product *= momentum * (1.0 - lacks)
        if product < 1e-18:
            break
    now = momentum * (1.0 - 0.5 * fall ** np.float64(iteration + 1))
    coming = momentum * (1.0 - 0.5 * fall ** np.float64(iteration + 2))
    return now, coming, product


@kernel
def nadam(
    w: Vector,
    diff: Vector,
    mean: Vector,
    square: Vector,
    now: Now,
    local: Local,
    moments: Moments,
    momentum_decay: Double,
    part: int,
    parts: int,
) -> None:
    """step = rate * (c * mean / (1 - p * c) + (1 - m) * g / (1 - p)) / (sqrt(square / (1 - momentum2^t)) + delta).

    m and c are the momentum at t and t + 1, p is the product of the momenta up to t.
    """
    m, coming, product = _momenta(moments.momentum, momentum_decay, now.clock[0])
    rate, of_square = np.float64(now.rate[0]) * local.lr_mult, correction(moments.momentum2, now.clock[0])
    of_mean, of_g = rate * coming / (1.0 - product * coming), rate * (1.0 - m) / (1.0 - product)
    blend = _Blend(of_mean, of_g, 1.0 / of_square, 0.0, moments.delta)
    _walk_blended(w, diff, mean, square, now, local, moments, blend, part, parts)


@kernel
def radam(
    w: Vector,
    diff: Vector,
    mean: Vector,
    square: Vector,
    now: Now,
    local: Local,
    moments: Moments,
    part: int,
    parts: int,
) -> None:
    """step = rate * mean / (1 - momentum^t); where `length` > TRACTABLE, also times R / (sqrt(square) + delta).

    R = sqrt(1 - momentum2^t) times the rectification of the paper.
    """
    rate = np.float64(now.rate[0]) * local.lr_mult / correction(moments.momentum, now.clock[0])
    left, most = correction(moments.momentum2, now.clock[0]), 2.0 / (1.0 - moments.momentum2) - 1.0
    length = most - 2.0 * (now.clock[0] + 1) * (1.0 - left) / left
    if length > TRACTABLE:
        rectified = (length - 4.0) * (length - 2.0) * most / ((most - 4.0) * (most - 2.0) * length)
        rate *= math.sqrt(rectified * left)
        _walk(w, diff, mean, square, now, local, moments, rate, moments.delta, COUPLED, part, parts)
    else:
        blend = _Blend(rate, 0.0, 0.0, 0.0, 1.0)
        _walk_blended(w, diff, mean, square, now, local, moments, blend, part, parts)


class Hyperbolic(NamedTuple):
    """QHAdam's weights of the averages beside the gradient and its square."""

    nu: Double
    nu2: Double


@kernel
def qhadam(
    w: Vector,
    diff: Vector,
    mean: Vector,
    square: Vector,
    now: Now,
    local: Local,
    moments: Moments,
    weights: Hyperbolic,
    part: int,
    parts: int,
) -> None:
    """step = rate * ((1 - nu) * g + nu * M) / (sqrt((1 - nu2) * g^2 + nu2 * S) + delta).

    M = mean / (1 - momentum^t), S = square / (1 - momentum2^t).
    """
    of_mean, of_square = correction(moments.momentum, now.clock[0]), correction(moments.momentum2, now.clock[0])
    rate, (nu, nu2) = np.float64(now.rate[0]) * local.lr_mult, weights
    blend = _Blend(rate * nu / of_mean, rate * (1.0 - nu), nu2 / of_square, 1.0 - nu2, moments.delta)
    _walk_blended(w, diff, mean, square, now, local, moments, blend, part, parts)
