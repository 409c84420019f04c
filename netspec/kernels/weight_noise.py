"""Noise on weights: DropConnect, Shakeout, Whiteout. Each draws weights, and takes their gradient to the true weight's.

w, noisy, diff, dw: (R, C), the weight, the weight that was drawn, the gradients with regard to `noisy` and to w. Random
numbers belong to indices, so both directions draw the same. Sources: Wan et al. 2013; Kang, Li & Tao 2016; Li & Liu
2016.
"""

from __future__ import annotations

import numpy as np

from netspec.codegen.kernel import kernel, span, summing
from netspec.codegen.kinds import Clock, Doubles, Matrix, Vector
from netspec.codegen.rows import Real, Row, Value, Whole, rows
from netspec.kernels.random import drop, drop_more, hashed, normal, stream


@rows()
def shake(
    w: Row, noisy: Row, key: Whole, first: Whole, step: Whole, threshold: Whole, scale: Real, more: Real, less: Real
) -> None:
    """noisy = scale * w + more * sign(w) where an index's word is at least `threshold`, else -less * sign(w)."""
    value, z = w.get(), hashed(w, key, first, step)
    sign = w.fill(1).where(value > 0, w.fill(-1).where(value < 0, 0.0))
    noisy.put((scale * value + more * sign).where((z >> 32) >= threshold.spread(z), -(less * sign)))


def variance(size: Value, sigma: Value, gamma: Value, constant: Value) -> tuple[Value, Value]:
    """(v, half its slope by |w|) of the noise that a weight of a size adds: v = w^2 (sigma^2 |w|^-gamma + constant)."""
    power = sigma * sigma * ((2.0 - gamma) * size.log()).exp()
    slope = (0.5 * (2.0 - gamma) * (power / size) + constant * size).where(size > 0, 0.0)
    return power + constant * size * size, slope


@rows()
def whiten(w: Row, noisy: Row, key: Whole, first: Whole, step: Whole, sigma: Real, gamma: Real, constant: Real) -> None:
    """noisy = w + sign(w) sqrt(v) g, for the variance v of the weight and a normal number g."""
    value = w.get()
    noise = variance(value.abs(), sigma, gamma, constant)[0].sqrt() * normal(hashed(w, key, first, step), w)
    noisy.put(value + (-noise).where(value < 0, noise))


@rows()
def whiten_diff(
    w: Row,
    diff: Row,
    dw: Row,
    key: Whole,
    first: Whole,
    step: Whole,
    sigma: Real,
    gamma: Real,
    constant: Real,
    add: Real,
) -> None:
    """dw = (where add is 1: +=) diff * the slope of `whiten`; 1 at w = 0, where the noise has none."""
    v, half = variance(w.get().abs(), sigma, gamma, constant)
    slope = (half / v.sqrt()).where(v > 0, 0.0)
    new = diff.get() * (1.0 + slope * normal(hashed(w, key, first, step), w))
    dw.put((new + dw.get()).where(add > 0, new))


@rows()
def variances(w: Row, v: Row, sigma: Real, gamma: Real, constant: Real) -> None:
    """v = the variance that each weight adds."""
    v.put(variance(w.get().abs(), sigma, gamma, constant)[0])


@rows()
def variances_diff(w: Row, dw: Row, factor: Real, sigma: Real, gamma: Real, constant: Real) -> None:
    """dw += factor * half the slope of the variance."""
    value = w.get()
    term = factor * variance(value.abs(), sigma, gamma, constant)[1]
    dw.put(dw.get() + (-term).where(value < 0, term))


@rows()
def perturb_by(y: Row, deviation: Row, key: Whole, first: Whole, step: Whole) -> None:
    """y += deviation * the normal number of an index."""
    y.put(y.get() + deviation.get() * normal(hashed(y, key, first, step), y))


@rows()
def add_noise_of(dy: Row, s: Row, key: Whole, first: Whole, step: Whole) -> None:
    """s += dy * the normal number of an index."""
    s.put(s.get() + (dy.get() * normal(hashed(dy, key, first, step), dy)).double())


@summing
def total(v: Vector) -> float:
    """The sum of a vector, in float64."""
    found = 0.0
    for i in range(v.size):
        found += v[i]
    return found


@kernel
def drop_weights(
    w: Matrix,
    noisy: Matrix,
    clock: Clock,
    seed: int,
    threshold: int,
    scale: float,
    row_step: int,
    step: int,
    add: int,
    part: int,
    parts: int,
) -> None:
    """noisy = (with `add`: +=) scale * w where a weight's word is at least `threshold` (of 2^32), else 0.

    The word's index is row * row_step + column * step. Serves both directions.
    """
    (r, c), key = w.shape, np.int64(stream(seed, clock))
    x, y = w.reshape(r * c), noisy.reshape(r * c)
    for i in range(*span(r, part, parts)):
        if add:
            drop_more(c, x, i * c, y, i * c, key, i * row_step, step, threshold, scale)
        else:
            drop(c, x, i * c, y, i * c, key, i * row_step, step, threshold, scale)


@kernel
def shake_weights(
    w: Matrix,
    noisy: Matrix,
    clock: Clock,
    seed: int,
    threshold: int,
    scale: float,
    constant: float,
    row_step: int,
    step: int,
    part: int,
    parts: int,
) -> None:
    """noisy = scale * w + (scale - 1) * constant * sign(w) where a weight's word is at least `threshold` (of 2^32).

    Elsewhere noisy = -constant * sign(w). The word's index is as in `drop_weights`.
    """
    (r, c), key = w.shape, np.int64(stream(seed, clock))
    x, y = w.reshape(r * c), noisy.reshape(r * c)
    for i in range(*span(r, part, parts)):
        shake(c, x, i * c, y, i * c, key, i * row_step, step, threshold, scale, (scale - 1) * constant, constant)


@kernel
def whiten_weights(
    w: Matrix,
    noisy: Matrix,
    clock: Clock,
    seed: int,
    sigma: float,
    gamma: float,
    constant: float,
    part: int,
    parts: int,
) -> None:
    """noisy = w (1 + e), each e normal with variance sigma^2 |w|^-gamma + constant."""
    x, y = w.reshape(w.size), noisy.reshape(w.size)
    first, last = span(w.size, part, parts)
    whiten(last - first, x, first, y, first, np.int64(stream(seed, clock)), first, 1, sigma, gamma, constant)


@kernel
def whiten_weights_diff(
    w: Matrix,
    diff: Matrix,
    dw: Matrix,
    clock: Clock,
    seed: int,
    sigma: float,
    gamma: float,
    constant: float,
    add: int,
    part: int,
    parts: int,
) -> None:
    """dw = (with `add`: +=) diff times the slope of `whiten_weights`."""
    x, y, z = w.reshape(w.size), diff.reshape(w.size), dw.reshape(w.size)
    first, last = span(w.size, part, parts)
    key = np.int64(stream(seed, clock))
    whiten_diff(last - first, x, first, y, first, z, first, key, first, 1, sigma, gamma, constant, add)


@kernel
def deviations(
    w: Matrix, scratch: Matrix, s: Vector, sigma: float, gamma: float, constant: float, part: int, parts: int
) -> None:
    """w, scratch: (M, K), s: (M,), the standard deviations of the noise that rows of weights add to their outputs.

    A part owns rows.
    """
    m, k = w.shape
    x, v = w.reshape(m * k), scratch.reshape(m * k)
    for i in range(*span(m, part, parts)):
        variances(k, x, i * k, v, i * k, sigma, gamma, constant)
        s[i] = np.sqrt(total(v[i * k : (i + 1) * k]))


@kernel
def add_noise(y: Matrix, s: Vector, clock: Clock, seed: int, part: int, parts: int) -> None:
    """y: (N, M), s: (M,). y += s * a normal number for each value. A part owns rows."""
    (n, m), flat, key = y.shape, y.reshape(y.size), np.int64(stream(seed, clock))
    for i in range(*span(n, part, parts)):
        perturb_by(m, flat, i * m, s, 0, key, i * m, 1)


@kernel
def noise_sums(dy: Matrix, sums: Doubles, clock: Clock, seed: int, part: int, parts: int) -> None:
    """dy: (N, M); sums (M,) = those of dy times the numbers that `add_noise` drew. A part owns columns."""
    (n, m), flat, key = dy.shape, dy.reshape(dy.size), np.int64(stream(seed, clock))
    first, last = span(m, part, parts)
    for j in range(first, last):
        sums[j] = 0
    for i in range(n):
        at = i * m + first
        add_noise_of(last - first, flat, at, sums, first, key, at, 1)


@kernel
def deviations_diff(
    w: Matrix,
    dw: Matrix,
    s: Vector,
    sums: Doubles,
    sigma: float,
    gamma: float,
    constant: float,
    part: int,
    parts: int,
) -> None:
    """w, dw: (M, K), s, sums: (M,). dw += sums * the slope of s. A part owns rows."""
    m, k = w.shape
    x, dx = w.reshape(m * k), dw.reshape(m * k)
    for i in range(*span(m, part, parts)):
        factor = sums[i] / s[i] if s[i] > 0 else 0.0
        variances_diff(k, x, i * k, dx, i * k, factor, sigma, gamma, constant)
