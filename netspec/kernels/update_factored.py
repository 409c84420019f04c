"""Adafactor's loops: means of squared gradients by rows and columns instead of one for every weight.

w, diff: (K, M), rows of (M,) values; g = factor * diff is the gradient. A part owns rows. `sums` (parts, 2), which lies
flat, takes sums of squares of w, and of the update u before its scale. Sums are taken in float64, by parts that depend
on shapes alone, and added in order. State is written only while the gate is open. t = iteration + 1.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from netspec.codegen.kernel import helper, kernel, span, summing
from netspec.codegen.kinds import Double, Doubles, Matrix, Vector
from netspec.core.calls import Local, Now
from netspec.kernels.update import squares
from netspec.kernels.update_rules import pull
from netspec.kernels.update_trust import norms


class Factored(NamedTuple):
    """Adafactor's settings: the shares and floors of its means, and how its step is scaled."""

    decay_rate: Double
    delta: Double
    delta2: Double
    clip_threshold: Double
    relative_step: int
    scale_parameter: int


@kernel
def sum_factors(
    w: Matrix, diff: Matrix, now: Now, rows: Doubles, columns: Doubles, sums: Doubles, part: int, parts: int
) -> None:
    """rows (K,) = sums of g^2 along each row; columns (parts, M), flat = those along each column, of a part's rows."""
    height, width = w.shape
    factor, column = now.gate[1], columns[part * width : (part + 1) * width]
    first, last = span(height, part, parts)
    for j in range(width):
        column[j] = 0.0
    total = 0.0
    for k in range(first, last):
        line = diff[k]
        for j in range(width):
            value = np.float64(line[j] * factor)
            column[j] += value * value
        rows[k] = squares(line) * np.float64(factor) * np.float64(factor)
        total += squares(w[k])
    sums[2 * part] = total


@kernel
def move_factors(
    row: Doubles,
    column: Doubles,
    now: Now,
    rows: Doubles,
    columns: Doubles,
    by_row: Vector,
    by_column: Vector,
    factored: Factored,
    part: int,
    parts: int,
) -> None:
    """Move the means row (K,) and column (M,) by the sums; u will be g * by_row * by_column.

    Runs as one part.
    """
    if now.gate[0] == 0:
        return
    share = np.float64(now.clock[0] + 1) ** -factored.decay_rate
    height, width = row.size, column.size
    mean = 0.0
    for k in range(height):
        row[k] += share * (rows[k] / width + factored.delta - row[k])
        mean += row[k]
    mean /= height
    for j in range(width):
        total = 0.0
        for p in range(columns.size // width):
            total += columns[p * width + j]
        column[j] += share * (total / height + factored.delta - column[j])
        by_column[j] = 1.0 / math.sqrt(column[j])
    for k in range(height):
        by_row[k] = math.sqrt(mean / row[k])


@summing
def _of_update(line: Vector, by_column: Vector, factor: float) -> float:
    """The sum of (factor * line * by_column)^2."""
    total = 0.0
    for j in range(line.size):
        value = np.float64(line[j] * factor * by_column[j])
        total += value * value
    return total


@kernel
def sum_updates(
    diff: Matrix, now: Now, by_row: Vector, by_column: Vector, sums: Doubles, part: int, parts: int
) -> None:
    """Sums of squares of u."""
    total = 0.0
    for k in range(*span(diff.shape[0], part, parts)):
        total += _of_update(diff[k], by_column, now.gate[1] * by_row[k])
    sums[2 * part + 1] = total


@helper
def _scale(now: Now, local: Local, sums: Doubles, count: int, factored: Factored) -> float:
    """The factor of u: lr_mult * rho * max(delta2, RMS(w)) / max(1, RMS(u) / clip_threshold).

    rho = min(rate, 1 / sqrt(t)), or the rate itself where steps are not relative.
    """
    weight, update = norms(sums)
    root, rate = math.sqrt(np.float64(count)), np.float64(now.rate[0])
    rho = min(rate, 1.0 / math.sqrt(np.float64(now.clock[0] + 1))) if factored.relative_step else rate
    size = max(factored.delta2, weight / root) if factored.scale_parameter else 1.0
    return local.lr_mult * rho * size / max(1.0, update / root / factored.clip_threshold)


@kernel
def adafactor(
    w: Matrix,
    diff: Matrix,
    now: Now,
    local: Local,
    by_row: Vector,
    by_column: Vector,
    sums: Doubles,
    factored: Factored,
    part: int,
    parts: int,
) -> None:
    """w -= the scale * u + rate * lr_mult * decay."""
    if now.gate[0] == 0:
        return
    real, scale = w.dtype.type, _scale(now, local, sums, w.size, factored)
    rate = real(np.float64(now.rate[0]) * local.lr_mult)
    for k in range(*span(w.shape[0], part, parts)):
        step = real(scale * np.float64(now.gate[1]) * np.float64(by_row[k]))
        row, line = w[k], diff[k]
        for j in range(row.size):
            row[j] -= step * line[j] * by_column[j] + rate * pull(row[j], local.l1, local.l2)


@summing
def _of_unfactored(diff: Vector, square: Vector, factor: float) -> float:
    """The sum of (factor * diff)^2 / square."""
    total = 0.0
    for i in range(diff.size):
        value = np.float64(diff[i] * factor)
        total += value * value / square[i]
    return total


@kernel
def move_squares(
    w: Vector, diff: Vector, square: Vector, now: Now, sums: Doubles, factored: Factored, part: int, parts: int
) -> None:
    """For a param of one axis, w, diff, square: (M,): move the mean square, and sum up squares of w and u."""
    if now.gate[0] == 0:
        return
    real, factor = w.dtype.type, now.gate[1]
    share, delta = real(np.float64(now.clock[0] + 1) ** -factored.decay_rate), real(factored.delta)
    first, last = span(w.size, part, parts)
    diff, square = diff[first:last], square[first:last]
    for i in range(square.size):
        g = diff[i] * factor
        square[i] += share * (g * g + delta - square[i])
    sums[2 * part] = squares(w[first:last])
    sums[2 * part + 1] = _of_unfactored(diff, square, factor)


@kernel
def adafactor_of_vector(
    w: Vector,
    diff: Vector,
    square: Vector,
    now: Now,
    local: Local,
    sums: Doubles,
    factored: Factored,
    part: int,
    parts: int,
) -> None:
    """w -= the scale * g / sqrt(square) + rate * lr_mult * decay."""
    if now.gate[0] == 0:
        return
    real, scale = w.dtype.type, _scale(now, local, sums, w.size, factored)
    rate, step = real(np.float64(now.rate[0]) * local.lr_mult), real(scale * np.float64(now.gate[1]))
    first, last = span(w.size, part, parts)
    w, diff, square = w[first:last], diff[first:last], square[first:last]
    for i in range(w.size):
        w[i] -= step * diff[i] / math.sqrt(square[i]) + rate * pull(w[i], local.l1, local.l2)
