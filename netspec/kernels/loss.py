"""Losses but for softmax, and how they are summed: parts leave float64 sums, and one more call adds these in order.

`partial` is (parts * 2): for each part the sum of its losses, and the number or weight of the positions that count.
`top`, `dtop` and `norm` are (1,): `dtop` holds the loss weight, `norm` the divisor of the sum. Loops over M run on
slices of their part, so that they are vectorised.
"""

from __future__ import annotations

import math

import numpy as np

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Doubles, Ints, Matrix, Vector
from netspec.kernels.sums import apart, total_of


@helper
def is_label(value: float, label: int) -> bool:
    """Whether a real number, truncated as C does, is `label`; never for NaN or infinity."""
    if label > 0:
        return value >= label and value < label + 1
    if label < 0:
        return value <= label and value > label - 1
    return value > -1 and value < 1


@helper
def is_class(value: float, classes: int) -> bool:
    """Whether a real number is one of the labels 0..classes-1; never for NaN."""
    return value >= 0 and value < classes and value == int(value)


@kernel
def add_weighted(top: Vector, weight: float, loss: Doubles, part: int, parts: int) -> None:
    """loss (1,) += weight * the sum of top (M,). Runs as one part."""
    total = 0.0
    for i in range(top.size):
        total += top[i]
    loss[0] += weight * total


@kernel
def add_weighted_items(
    top: Vector, items: int, number: Ints, weight: float, loss: Doubles, part: int, parts: int
) -> None:
    """loss += weight * sum of the first `number` (1,) of the `items` that top holds. Runs as one part."""
    total = 0.0
    for i in range(top.size // max(items, 1) * number[0]):
        total += top[i]
    loss[0] += weight * total


@kernel
def loss_mean(partial: Doubles, top: Vector, norm: Doubles, divisor: int, least: float, part: int, parts: int) -> None:
    """top = sum / norm, where norm is `divisor`, or the count when it is 0, but at least `least`. Runs as one part."""
    total = 0.0
    valid = 0.0
    for i in range(partial.size // 2):
        total += partial[2 * i]
        valid += partial[2 * i + 1]
    norm[0] = max(np.float64(least), float(divisor) if divisor else valid)
    top[0] = total / norm[0]


@kernel
def loss_sum(each: Vector, partial: Doubles, part: int, parts: int) -> None:
    """The sum of the losses `each` (M,), and their number."""
    first, last = span(each.size, part, parts)
    partial[2 * part] = total_of(each[first:last])
    partial[2 * part + 1] = last - first


@kernel
def loss_scale(dx: Vector, dtop: Vector, norm: Doubles, sign: int, part: int, parts: int) -> None:
    """dx *= sign * dtop / norm; dx: (M,)."""
    scale = dx.dtype.type(sign * dtop[0] / norm[0])
    first, last = span(dx.size, part, parts)
    dx = dx[first:last]
    for i in range(dx.size):
        dx[i] *= scale


@kernel
def euclidean_forward(a: Vector, b: Vector, partial: Doubles, part: int, parts: int) -> None:
    """The sum of (a - b)**2; a, b: (M,)."""
    first, last = span(a.size, part, parts)
    partial[2 * part] = apart(a[first:last], b[first:last], 0.0)
    partial[2 * part + 1] = 0.0


@kernel
def euclidean_backward(a: Vector, b: Vector, dtop: Vector, da: Vector, divisor: int, part: int, parts: int) -> None:
    """da = (a - b) * dtop / divisor; a, b, da: (M,)."""
    scale = da.dtype.type(dtop[0] / divisor)
    first, last = span(a.size, part, parts)
    a, b, da = a[first:last], b[first:last], da[first:last]
    for i in range(a.size):
        da[i] = (a[i] - b[i]) * scale


@kernel
def multi_class_hinge_forward(x: Matrix, label: Vector, partial: Doubles, margin: float, part: int, parts: int) -> None:
    """The sum of max(0, x[j] - x[label] + margin) over the wrong classes j; NaN where a label is no class.

    x: (N, C), label: (N,).
    """
    total = 0.0
    for n in range(*span(x.shape[0], part, parts)):
        if not is_class(label[n], x.shape[1]):
            total = math.nan
            continue
        own = int(label[n])
        for c in range(x.shape[1]):
            short = x[n, c] - x[n, own] + margin
            if c != own and not short <= 0:
                total += short
    partial[2 * part] = total
    partial[2 * part + 1] = 0.0


@kernel
def multi_class_hinge_backward(
    x: Matrix, label: Vector, dtop: Vector, dx: Matrix, margin: float, part: int, parts: int
) -> None:
    """dx = dtop / N for each wrong class short of the margin; at the label, minus dtop / N times their number.

    NaN where a label is no class. x, dx: (N, C), label: (N,).
    """
    scale = dtop[0] / x.shape[0]
    for n in range(*span(x.shape[0], part, parts)):
        if not is_class(label[n], x.shape[1]):
            for c in range(x.shape[1]):
                dx[n, c] = math.nan
            continue
        own = int(label[n])
        number = 0
        for c in range(x.shape[1]):
            short = c != own and not x[n, c] - x[n, own] + margin <= 0
            number += short
            dx[n, c] = scale if short else 0.0
        dx[n, own] = -number * scale
