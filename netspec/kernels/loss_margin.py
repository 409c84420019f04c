"""Losses that ask scores for a margin. x, dx: (N, C), label: (N,); a label that is no class makes the loss NaN.

`partial`, `dtop` and `norm` are as in `kernels/loss.py`. Each sample is computed whole, by one part.
"""

from __future__ import annotations

import math

import numpy as np

from netspec.codegen.greatest import greatest
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Doubles, Matrix, Vector
from netspec.kernels.loss import is_class
from netspec.kernels.select import first_place


@helper
def nothing(dx: Matrix, n: int, value: float) -> None:
    """Fill the diff of a sample."""
    for c in range(dx.shape[1]):
        dx[n, c] = value


@kernel
def hinge_forward(x: Matrix, label: Vector, partial: Doubles, squared: int, part: int, parts: int) -> None:
    """The sum of max(0, 1 - x) at the label and of max(0, 1 + x) elsewhere, or of their squares."""
    total = 0.0
    for n in range(*span(x.shape[0], part, parts)):
        if not is_class(label[n], x.shape[1]):
            total = math.nan
            continue
        for c in range(x.shape[1]):
            short = 1.0 + (-x[n, c] if c == int(label[n]) else x[n, c])
            if not short <= 0:
                total += short * short if squared else short
    partial[2 * part] = total
    partial[2 * part + 1] = 0.0


@kernel
def hinge_backward(
    x: Matrix, label: Vector, dtop: Vector, norm: Doubles, dx: Matrix, squared: int, part: int, parts: int
) -> None:
    """dx = -1 at the label, 1 elsewhere, times 2 * the shortfall if squared, times dtop / norm; 0 beyond the margin."""
    scale = dtop[0] / norm[0]
    for n in range(*span(x.shape[0], part, parts)):
        if not is_class(label[n], x.shape[1]):
            nothing(dx, n, math.nan)
            continue
        for c in range(x.shape[1]):
            own = c == int(label[n])
            short = 1.0 + (-x[n, c] if own else x[n, c])
            slope = (2.0 * short if squared else 1.0) * scale
            dx[n, c] = 0.0 if short <= 0 else (-slope if own else slope)


@helper
def best_rival(x: Matrix, n: int, own: int) -> float:
    """The best score but that of `own`; NaN where one is NaN."""
    flat, at, classes = x.reshape(x.size), n * x.shape[1], x.shape[1]
    below: float = greatest(flat, at, own)
    above: float = greatest(flat, at + own + 1, classes - own - 1)
    return below if below != below or below > above else above


@helper
def rival(x: Matrix, n: int, own: int) -> int:
    """The best class but `own`, the first of equals; the first NaN is best of all."""
    best = best_rival(x, n, own)
    place = first_place(x[n, :own], best)
    return place if place < own else own + 1 + first_place(x[n, own + 1 :], best)


@helper
def lead(x: Matrix, n: int, own: int) -> float:
    """By how much the true class wins; of a single score, the score with the sign of the label 0 or 1."""
    single = x.shape[1] == 1
    ahead: float = np.float64(x[n, 0 if single else own])
    if single:
        return ahead if own else -ahead
    return ahead - best_rival(x, n, own)


@kernel
def perceptron_forward(x: Matrix, label: Vector, partial: Doubles, part: int, parts: int) -> None:
    """The sum of max(0, -lead)."""
    total = 0.0
    classes = max(2, x.shape[1])
    for n in range(*span(x.shape[0], part, parts)):
        if not is_class(label[n], classes):
            total = math.nan
            continue
        ahead = lead(x, n, int(label[n]))
        if not ahead >= 0:
            total -= ahead
    partial[2 * part] = total
    partial[2 * part + 1] = 0.0


@kernel
def perceptron_backward(
    x: Matrix, label: Vector, dtop: Vector, norm: Doubles, dx: Matrix, part: int, parts: int
) -> None:
    """dx = -dtop / norm at the true class and dtop / norm at its rival, where the true class is not ahead."""
    scale = dtop[0] / norm[0]
    classes = max(2, x.shape[1])
    for n in range(*span(x.shape[0], part, parts)):
        if not is_class(label[n], classes):
            nothing(dx, n, math.nan)
            continue
        own = int(label[n])
        nothing(dx, n, 0.0)
        if lead(x, n, own) > 0:
            continue
        if x.shape[1] == 1:
            dx[n, 0] = -scale if own else scale
        else:
            dx[n, own] = -scale
            dx[n, rival(x, n, own)] = scale
