"""Random numbers as a function of (seed, iteration, sub-iteration, index): no state, so any part can draw its own.

The finaliser of SplitMix64 over a counter. Source: Steele, Lea & Flood 2014, "Fast splittable pseudorandom number
generators".
"""

from __future__ import annotations

import math

import numpy as np

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Vector
from netspec.codegen.rows import Real, Row, Value, Whole, rows
from netspec.codegen.series import polynomial

Word = np.uint64

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_30, _27, _31, _32 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(32)


@helper
def mixed(z: Word) -> Word:
    """64 bits in, 64 bits out, each of which depends on all."""
    z = (z ^ (z >> _30)) * _FIRST
    z = (z ^ (z >> _27)) * _SECOND
    return z ^ (z >> _31)


@helper
def stream(seed: int, clock: Clock) -> Word:
    """The key of the numbers that `seed` draws at this iteration and sub-iteration."""
    key = mixed(np.uint64(seed) + GOLDEN)
    for i in range(clock.size):
        key = mixed(key + np.uint64(clock[i] + 1) * GOLDEN)
    return key


def hashed(x: Row, key: Value, first: Value, step: Value) -> Value:
    """The random 64 bits of the indices of a vector: mixed(key + (index + 1) * golden).

    The i-th number of the row x has the index first + i * step.
    """
    z = x.places()
    z = (z * step.spread(z) + (first + 1).spread(z)) * int(GOLDEN) + key.spread(z)
    z = (z ^ (z >> 30)) * int(_FIRST)
    z = (z ^ (z >> 27)) * int(_SECOND)
    return z ^ (z >> 31)


def normal(z: Value, like: Row) -> Value:
    """Random bits as numbers of a standard normal distribution: sqrt(-2 ln u) cos(2 pi t).

    u, from the upper 24 bits, lies in (0, 1], and t, from the 24 bits below them, in [0, 1). Source: Box & Muller 1958.
    """
    u = ((z >> 40).to(like) + 1.0) * 2.0**-24
    t = ((z * 2**24) >> 40).to(like) * 2.0**-24
    near = (t - 0.5).abs() - 0.25  # cos(2 pi t) = sin(2 pi near), |near| <= 1/4
    sine: Value = polynomial(near * near, *_SINE) * near
    return (u.log() * -2.0).sqrt() * sine


_SINE = tuple((-1) ** k * math.tau ** (2 * k + 1) / math.factorial(2 * k + 1) for k in range(11))[::-1]
"""sin(2 pi x) / x as a polynomial in x^2, for |x| <= 1/4."""


@rows()
def drop(x: Row, y: Row, key: Whole, first: Whole, step: Whole, threshold: Whole, scale: Real) -> None:
    """y = scale * x where the upper 32 of an index's random bits are at least `threshold`, else 0."""
    z = hashed(x, key, first, step)
    y.put((scale * x.get()).cleared((z >> 32) < threshold.spread(z)))


@rows()
def drop_more(x: Row, y: Row, key: Whole, first: Whole, step: Whole, threshold: Whole, scale: Real) -> None:
    """y += what `drop` writes."""
    z = hashed(x, key, first, step)
    y.put(y.get() + (scale * x.get()).cleared((z >> 32) < threshold.spread(z)))


@rows()
def perturb(x: Row, y: Row, key: Whole, first: Whole, step: Whole, deviation: Real) -> None:
    """y = x + deviation * the normal number of an index."""
    y.put(x.get() + deviation * normal(hashed(x, key, first, step), x))


@kernel
def dropout(x: Vector, y: Vector, clock: Clock, seed: int, threshold: int, scale: float, part: int, parts: int) -> None:
    """x, y: (M,). y = scale * x where the word of the index is at least `threshold` (of 2^32), else 0.

    Serves both directions.
    """
    first, last = span(x.size, part, parts)
    drop(last - first, x, first, y, first, np.int64(stream(seed, clock)), first, 1, threshold, scale)


@kernel
def dropout_channels_last(
    x: Vector,
    y: Vector,
    clock: Clock,
    seed: int,
    threshold: int,
    scale: float,
    c: int,
    pixels: int,
    part: int,
    parts: int,
) -> None:
    """y = scale * x as in `dropout`, each element with the index that it would have in (N, c, pixels).

    x, y: (N * pixels * c,). A part owns rows of channels.
    """
    key = np.int64(stream(seed, clock))
    for row in range(*span(x.size // c, part, parts)):
        index = row // pixels * c * pixels + row % pixels
        drop(c, x, row * c, y, row * c, key, index, pixels, threshold, scale)
