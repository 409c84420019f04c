"""The gradient of a param on its way from the watch to the rule: limits for layers and values, noise.

w, diff: (M,). `gate` (2,) holds 1 if everything is finite, else 0; and the factor that clips the gradient and divides
it by iter_size. A gradient is settled where that factor is in it: its rule then gets a gate whose factor is 1.
"""

from __future__ import annotations

import math

import numpy as np

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Doubles, Vector
from netspec.codegen.rows import Real, Row, Whole, rows
from netspec.core.calls import Local
from netspec.kernels.random import hashed, normal, stream
from netspec.kernels.update_rules import decayed


@kernel
def layer_gate(
    taken: Doubles, squares: Doubles, gate: Vector, own: Vector, limit: float, begins: int, part: int, parts: int
) -> None:
    """own (2,) = gate, its factor brought down so that the L2 norm of a layer's gradient is at most `limit`.

    taken: (P,), the sums of squares of a param's gradient by parts; squares (1,) = their total over the layer's params
    so far, of which the first `begins`. Runs as one part; the layer's last param leaves the right factor.
    """
    total = 0.0 if begins else squares[0]
    for i in range(taken.size):
        total += taken[i]
    squares[0] = total
    norm = math.sqrt(total)
    own[0] = gate[0]
    own[1] = gate[1] * (limit / norm) if norm > limit else gate[1]


@kernel
def clamp(diff: Vector, gate: Vector, limit: float, part: int, parts: int) -> None:
    """Bring every value of the gradient into [-limit, limit]. Nothing while the gate is shut."""
    if gate[0] == 0:
        return
    first, last = span(diff.size, part, parts)
    diff = diff[first:last]
    for i in range(diff.size):
        diff[i] = min(max(diff[i], -limit), limit)


@helper
def leave(gate: Vector, own: Vector, part: int) -> None:
    """own (2,) = (gate's first value, 1), which is the gate of a settled gradient. The first part writes it."""
    if part == 0:
        own[0] = gate[0]
        own[1] = 1.0


@kernel
def settle(diff: Vector, gate: Vector, own: Vector, part: int, parts: int) -> None:
    """Multiply the gradient by the gate's factor; own (2,) becomes its gate. No gradient while the gate is shut."""
    leave(gate, own, part)
    if gate[0] == 0:
        return
    factor = gate[1]
    first, last = span(diff.size, part, parts)
    diff = diff[first:last]
    for i in range(diff.size):
        diff[i] *= factor


@kernel
def settle_decayed(w: Vector, diff: Vector, gate: Vector, own: Vector, local: Local, part: int, parts: int) -> None:
    """As `settle`, and add the decay: the gradient becomes g * factor + l2 * w + l1 * sign(w)."""
    leave(gate, own, part)
    if gate[0] == 0:
        return
    factor = gate[1]
    first, last = span(w.size, part, parts)
    w, diff = w[first:last], diff[first:last]
    for i in range(w.size):
        diff[i] = decayed(diff[i], w[i], factor, local)


@kernel
def take_step(w: Vector, diff: Vector, moved: Vector, gate: Vector, part: int, parts: int) -> None:
    """w += moved; diff = -moved; moved = 0. Nothing while the gate is shut.

    moved: (M,), the weight that a rule started at 0, so that it holds the step alone.
    """
    if gate[0] == 0:
        return
    first, last = span(w.size, part, parts)
    w, diff, moved = w[first:last], diff[first:last], moved[first:last]
    for i in range(w.size):
        w[i] += moved[i]
        diff[i] = -moved[i]
        moved[i] = 0


@rows()
def disturb(x: Row, key: Whole, first: Whole, step: Whole, factor: Real, deviation: Real) -> None:
    """x = factor * x + deviation * the normal number of an index."""
    x.put(factor * x.get() + deviation * normal(hashed(x, key, first, step), x))


@kernel
def settle_with_noise(
    diff: Vector, gate: Vector, own: Vector, clock: Clock, seed: int, eta: float, gamma: float, part: int, parts: int
) -> None:
    """As `settle`, and add to every value a normal number of its index, of variance eta / (1 + iteration)^gamma.

    Source: Neelakantan et al. 2015.
    """
    leave(gate, own, part)
    if gate[0] == 0:
        return
    first, last = span(diff.size, part, parts)
    deviation = math.sqrt(eta / (1.0 + clock[0]) ** gamma)
    disturb(last - first, diff, first, np.int64(stream(seed, clock[:1])), first, 1, gate[1], deviation)
