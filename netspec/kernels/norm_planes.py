"""Normalisation by channels of x (N, C, inner), whose channels do not lie together: a part owns channels.

Where `w` or `b` (C,) is empty the factor is 1, the constant 0.
"""

from __future__ import annotations

import numpy as np

from netspec.codegen.geometry import Slopes, Slots
from netspec.codegen.kernel import kernel, span, summing
from netspec.codegen.kinds import Array3, Doubles, Vector


@summing
def channel_sum(x: Array3, c: int) -> float:
    """The sum of channel c."""
    total = 0.0
    for n in range(x.shape[0]):
        row = x[n, c]
        for i in range(row.size):
            total += np.float64(row[i])
    return total


@summing
def channel_squares(x: Array3, c: int, mean: float) -> float:
    """The sum of (x - mean)^2 over channel c."""
    total = 0.0
    for n in range(x.shape[0]):
        row = x[n, c]
        for i in range(row.size):
            value = np.float64(row[i]) - mean
            total += value * value
    return total


@kernel
def plane_moments(x: Array3, mean: Doubles, variance: Doubles, part: int, parts: int) -> None:
    """mean, variance (C,) of x (N, C, inner)."""
    count = x.shape[0] * x.shape[2]
    for c in range(*span(x.shape[1], part, parts)):
        mean[c] = channel_sum(x, c) / count
        variance[c] = channel_squares(x, c, mean[c]) / count


@kernel
def plane_normalise(x: Array3, factor: Vector, offset: Vector, y: Array3, low: float, part: int, parts: int) -> None:
    """y = x * factor + offset, at least `low`. x, y: (N, C, inner), factor, offset: (C,)."""
    for c in range(*span(x.shape[1], part, parts)):
        for n in range(x.shape[0]):
            row, out, slope, shift = x[n, c], y[n, c], factor[c], offset[c]
            for i in range(row.size):
                value = row[i] * slope + shift
                out[i] = low if value < low else value


@kernel
def plane_gradient_sums(
    x: Array3,
    dy: Array3,
    centre: Vector,
    factor: Vector,
    offset: Vector,
    sums: Doubles,
    low: float,
    part: int,
    parts: int,
) -> None:
    """sums (2, C) of dy and dy * (x - centre), but for those where x * factor + offset <= low.

    x, dy: (N, C, inner), centre, factor, offset: (C,).
    """
    channels = x.shape[1]
    for c in range(*span(channels, part, parts)):
        total, products = 0.0, 0.0
        for n in range(x.shape[0]):
            row, diff = x[n, c], dy[n, c]
            for i in range(row.size):
                if not row[i] * factor[c] + offset[c] <= low:
                    total += diff[i]
                    products += np.float64(diff[i]) * (row[i] - centre[c])
        sums[c] = total
        sums[channels + c] = products


@kernel
def plane_gradient(
    x: Array3, dy: Array3, slots: Slots, back: Slopes, dx: Array3, low: float, add: int, part: int, parts: int
) -> None:
    """dx = (with `add`: +=) of_dy * dy - of_x * (x - centre) - shift, with dy = 0 where x * factor + offset <= low.

    x, dy, dx: (N, C, inner), slots, back: (C,).
    """
    factor, offset, centre = slots.factor, slots.offset, slots.centre
    of_dy, of_x, shift = back.of_dy, back.of_x, back.shift
    zero = dx.dtype.type(0)
    for c in range(*span(x.shape[1], part, parts)):
        for n in range(x.shape[0]):
            row, out, diff = x[n, c], dx[n, c], dy[n, c]
            for i in range(row.size):
                own = zero if row[i] * factor[c] + offset[c] <= low else diff[i]
                value = of_dy[c] * own - (of_x[c] * (row[i] - centre[c]) + shift[c])
                out[i] = out[i] + value if add else value
