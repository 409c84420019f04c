"""Dice loss: the overlap of a plane of probabilities with the truth. p, dp: (outer, C, inner).

truth: (outer, C, inner) if soft, else labels (outer * inner,). sums (outer, C, 2): of each plane twice the overlap and
the mass, each with `smooth` added. `partial`, `dtop` and `norm` are as in `kernels/loss.py`.
"""

from __future__ import annotations

import math

import numpy as np

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Array3, Doubles, Vector
from netspec.kernels.loss import is_class
from netspec.kernels.sums import dot_of, total_of


@helper
def truth_at(truth: Vector, classes: int, inner: int, plane: int, i: int) -> float:
    """Whether the class of a value is its label, 1 or 0; NaN where a label is no class."""
    label = truth[plane // classes * inner + i]
    if not is_class(label, classes):
        return math.nan
    return 1.0 if label == plane % classes else 0.0


@helper
def left_out(truth: Vector, place: int, ignoring: int, ignore: int) -> bool:
    """Whether the label at a place is ignored."""
    same: bool = truth[place] == ignore
    return ignoring == 1 and same


@kernel
def dice_forward(
    p: Array3,
    truth: Vector,
    sums: Doubles,
    partial: Doubles,
    smooth: float,
    squared: int,
    soft: int,
    ignoring: int,
    ignore: int,
    part: int,
    parts: int,
) -> None:
    """The sum over planes of 1 - (2 * the sum of p t + smooth) / (the sum of p + t, or their squares, + smooth)."""
    classes, inner = p.shape[1], p.shape[2]
    total = 0.0
    first, last = span(p.shape[0] * classes, part, parts)
    for plane in range(first, last):
        overlap = np.float64(smooth)
        mass = np.float64(smooth)
        if soft:
            row, its_row = p[plane // classes, plane % classes], truth[plane * inner : (plane + 1) * inner]
            overlap += 2.0 * dot_of(row, its_row)
            if squared:
                mass += dot_of(row, row) + dot_of(its_row, its_row)
            else:
                mass += total_of(row) + total_of(its_row)
        for i in range(0 if soft else inner):
            if left_out(truth, plane // classes * inner + i, ignoring, ignore):
                continue
            mine = np.float64(p[plane // classes, plane % classes, i])
            its = truth_at(truth, classes, inner, plane, i)
            overlap += 2.0 * mine * its
            mass += mine * mine + its * its if squared else mine + its
        sums[2 * plane] = overlap
        sums[2 * plane + 1] = mass
        total += 1.0 - overlap / mass
    partial[2 * part] = total
    partial[2 * part + 1] = last - first


@kernel
def dice_backward(
    p: Array3,
    truth: Vector,
    sums: Doubles,
    dtop: Vector,
    norm: Doubles,
    dp: Array3,
    squared: int,
    soft: int,
    ignoring: int,
    ignore: int,
    part: int,
    parts: int,
) -> None:
    """dp = (overlap * (1, or 2p) / mass - 2t) / mass * dtop / norm; 0 where the label is ignored."""
    classes, inner = p.shape[1], p.shape[2]
    scale = dtop[0] / norm[0]
    for plane in range(*span(p.shape[0] * classes, part, parts)):
        overlap, mass = sums[2 * plane], sums[2 * plane + 1]
        o, c = plane // classes, plane % classes
        if soft:
            row, its_row, out = p[o, c], truth[plane * inner : (plane + 1) * inner], dp[o, c]
            level = dp.dtype.type(0.0 if squared else overlap / mass / mass * scale)
            slope = dp.dtype.type(2.0 * overlap / mass / mass * scale if squared else 0.0)
            down = dp.dtype.type(2.0 / mass * scale)
            for i in range(inner):
                out[i] = level + slope * row[i] - down * its_row[i]
        for i in range(0 if soft else inner):
            if left_out(truth, o * inner + i, ignoring, ignore):
                dp[o, c, i] = 0
                continue
            its = truth_at(truth, classes, inner, plane, i)
            grows = 2.0 * p[o, c, i] if squared else 1.0
            dp[o, c, i] = (overlap * grows / mass - 2.0 * its) / mass * scale
