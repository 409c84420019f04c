"""The solver's loops around an update: the watch over gradients, and what makes an iteration count.

`gate` (2,) holds 1 if everything is finite, else 0; and the factor that clips the gradient and divides it by iter_size.
The updates themselves are in `update_rules` and `update_moments`.
"""

from __future__ import annotations

import math

import numpy as np

from netspec.codegen.geometry import LINE
from netspec.codegen.kernel import helper, kernel, span, summing
from netspec.codegen.kinds import Clock, Doubles, Vector
from netspec.codegen.simd import expect
from netspec.codegen.tiles import address

BLOCK = 1024
"""Values that are squared at a time, while those two blocks behind them are fetched."""


@summing
def squares(x: Vector) -> float:
    """The sum of x**2 in float64; x: (M,)."""
    total = 0.0
    for i in range(x.size):
        value = np.float64(x[i])
        total += value * value
    return total


@summing
def _squares_of_four(x: Vector, at: int, pitch: int, width: int) -> float:
    """The sum of squares of four rows."""
    total, a, b, c, d = 0.0, x[at:], x[at + pitch :], x[at + 2 * pitch :], x[at + 3 * pitch :]
    for j in range(width):
        one, two, three, four = np.float64(a[j]), np.float64(b[j]), np.float64(c[j]), np.float64(d[j])
        total += one * one + two * two + three * three + four * four
    return total


@helper
def squares_of_rows(x: Vector, start: int, pitch: int, number: int, width: int) -> float:
    """The sum of squares of a number of rows of x, each of `width` values and `pitch` values from one to the next.

    Four rows are summed at a time, as they may be short.
    """
    total, fours = 0.0, number // 4 * 4
    for i in range(0, fours, 4):
        total += _squares_of_four(x, start + i * pitch, pitch, width)
    for i in range(fours, number):
        at = start + i * pitch
        total += squares(x[at : at + width])
    return total


@kernel
def sum_of_squares(diff: Vector, partial: Doubles, part: int, parts: int) -> None:
    """diff: (M,). partial[part] = the sum of diff**2 over this part."""
    first, last = span(diff.size, part, parts)
    partial[part] = 0
    for begin in range(first, last, BLOCK):
        for ahead in range(begin + 2 * BLOCK, begin + 3 * BLOCK, LINE // diff.itemsize):
            expect(address(diff, ahead))
        partial[part] += squares(diff[begin : min(last, begin + BLOCK)])


@kernel
def gate(
    taken: Doubles,
    partials: Doubles,
    loss: Doubles,
    gate: Vector,
    norm: Doubles,
    clip: float,
    iter_size: int,
    part: int,
    parts: int,
) -> None:
    """norm (1,) = the L2 norm of all gradients; gate = (1, factor) if it and the loss (1,) are finite, else (0, 0).

    Runs as one part. The norm is that of the sum over iter_size batches, and the factor brings it down to `clip` (none
    if <= 0) before it divides by iter_size. Source: Caffe sgd_solver.cpp, ClipGradients and Normalize.
    """
    total = 0.0
    for i in range(taken.size):
        total += taken[i]
    for i in range(partials.size):
        total += partials[i]
    norm[0] = math.sqrt(total)
    if math.isfinite(total) and math.isfinite(loss[0]):
        factor = clip / norm[0] if clip > 0 and norm[0] > clip else 1.0
        gate[0] = 1.0
        gate[1] = factor / iter_size
    else:
        gate[0] = 0.0
        gate[1] = 0.0


@kernel
def resume(clock: Clock, stored: Vector, pending: Vector, part: int, parts: int) -> None:
    """Begin a batch of an iteration: `stored` becomes what the batches before it made of it.

    stored, pending: (M,), clock: (2,). Before the first batch both hold the stored params as they are; later they are
    exchanged.
    """
    first, last = span(stored.size, part, parts)
    for i in range(first, last):
        kept = stored[i]
        if clock[1] > 0:
            stored[i] = pending[i]
        pending[i] = kept


@kernel
def suspend(stored: Vector, pending: Vector, part: int, parts: int) -> None:
    """End a batch: `stored` is again as before the iteration, `pending` what it becomes. Both: (M,)."""
    first, last = span(stored.size, part, parts)
    for i in range(first, last):
        stored[i], pending[i] = pending[i], stored[i]


@kernel
def mark(counts: Clock, under_way: int, part: int, parts: int) -> None:
    """counts[2] = whether the stored params are those of the batches so far. Runs as one part."""
    counts[2] = under_way


@kernel
def commit(
    gate: Vector,
    loss: Doubles,
    counts: Clock,
    recent: Doubles,
    stored: Vector,
    pending: Vector,
    iter_size: int,
    part: int,
    parts: int,
) -> None:
    """Count an iteration whose update was made: stored params, loss and iteration. Nothing while the gate is shut.

    counts (3,) = the iterations, the losses written into the ring `recent` (R,), and what `mark` writes; loss: (1,),
    the sum over iter_size batches; stored, pending: (M,). Runs as one part.
    """
    if gate[0] == 0:
        return
    for i in range(stored.size):
        stored[i] = pending[i]
    recent[counts[1] % recent.size] = loss[0] / iter_size
    counts[0] += 1
    counts[1] += 1
