"""Loops of KFAC around its products: rows of the factors, gradients as matrices, the norm constraint, the step.

A layer's weight and bias are one matrix (M, n): a row for each output, and the bias as the last column.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Doubles, Ints, Matrix, Vector
from netspec.core.calls import Local, Now
from netspec.kernels.update_rules import decayed, settled


class Places(NamedTuple):
    """Where the values of a factor's rows lie in a blob: L places in each image, T taps at a place, C channels."""

    places: int
    taps: int
    channels: int
    image: int  # values from an image to the next
    channel: int  # values from a channel to the next
    first: int  # the first channel's first value


class Lying(NamedTuple):
    """Where some columns of a matrix lie in a param blob: value (i, left + j) at first + i * row + j * column."""

    first: int
    row: int
    column: int
    left: int
    columns: int


@kernel
def rows(x: Vector, table: Ints, y: Matrix, places: Places, start: int, part: int, parts: int) -> None:
    """y: (R, C * T), or one wider with ones in the last column. y[r] = what place start + r sees, channel by channel.

    x holds images; table: (L, T), how far a tap's value lies from the image's first, or -1 for a zero.
    """
    taps, channels = places.taps, places.channels
    width = taps * channels
    for r in range(*span(y.shape[0], part, parts)):
        image, place = (start + r) // places.places, (start + r) % places.places
        line = y[r]
        for tap in range(taps):
            at = table[place * taps + tap]
            if at < 0:
                for c in range(channels):
                    line[c * taps + tap] = 0
                continue
            at += image * places.image + places.first
            for c in range(channels):
                line[c * taps + tap] = x[at + c * places.channel]
        if y.shape[1] > width:
            line[width] = 1


@kernel
def gradient(w: Vector, dw: Vector, y: Matrix, now: Now, local: Local, lying: Lying, part: int, parts: int) -> None:
    """y: (M, n). The columns that `lying` names = the gradient that a rule works with: clipped, divided and decayed.

    w, dw: a param blob and its diff.
    """
    factor = now.gate[1]
    for i in range(*span(y.shape[0], part, parts)):
        line, at = y[i], lying.first + i * lying.row
        for j in range(lying.columns):
            k = at + j * lying.column
            line[lying.left + j] = decayed(dw[k], w[k], factor, local)


@kernel
def inner(x: Matrix, y: Matrix, partial: Doubles, part: int, parts: int) -> None:
    """x, y: (M, n). partial[part] = the sum of x * y over rows of this part, in float64."""
    total = 0.0
    for i in range(*span(x.shape[0], part, parts)):
        left, right = x[i], y[i]
        for j in range(left.size):
            total += np.float64(left[j]) * np.float64(right[j])
    partial[part] = total


@kernel
def constrain(partials: Doubles, rate: Vector, scale: Doubles, kl_clip: float, part: int, parts: int) -> None:
    """scale: (1,) = the factor that keeps rate^2 * v^T gradient, summed in `partials`, within kl_clip; 1 if that is 0.

    Runs as one part.
    """
    total = 0.0
    for i in range(partials.size):
        total += partials[i]
    change = np.float64(rate[0]) * np.float64(rate[0]) * total
    scale[0] = math.sqrt(kl_clip / change) if kl_clip > 0 and change > kl_clip else 1.0


@kernel
def adopt(fresh: Vector, state: Vector, now: Now, interval: int, part: int, parts: int) -> None:
    """state = fresh in every `interval`-th iteration. fresh, state: (M,). Nothing while the gate is shut."""
    if now.gate[0] == 0 or now.clock[0] % interval != 0:
        return
    first, last = span(state.size, part, parts)
    fresh, state = fresh[first:last], state[first:last]
    for i in range(state.size):
        state[i] = fresh[i]


@kernel
def step(
    w: Vector,
    history: Vector,
    v: Matrix,
    scale: Doubles,
    now: Now,
    local: Local,
    momentum: float,
    lying: Lying,
    part: int,
    parts: int,
) -> None:
    """history = momentum * history + rate * lr_mult * scale * v; w -= history. Nothing while the gate is shut.

    w, history: a param blob; the columns of v (M, n) that `lying` names are for it.
    """
    if now.gate[0] == 0:
        return
    rate = now.rate[0] * local.lr_mult * w.dtype.type(scale[0])
    for i in range(*span(v.shape[0], part, parts)):
        line, at = v[i], lying.first + i * lying.row
        for j in range(lying.columns):
            k = at + j * lying.column
            change = settled(momentum * history[k] + rate * line[lying.left + j])
            history[k] = change
            w[k] -= change
