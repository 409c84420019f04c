"""Softmax over the middle axis, alone and under the logistic loss.

x, y, dx, dy, prob: (outer, C, inner); label: (outer * inner,). A position is one of the outer * inner places that each
hold C scores; parts are cut between positions.
"""

from __future__ import annotations

import math

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Array3, Doubles, Vector
from netspec.kernels.loss import is_class

LOSS_CAP = 126.0 * math.log(2.0)
"""-ln(FLT_MIN), 87.3365: the most that one position can lose. Source: Caffe softmax_loss_layer.cpp."""


@helper
def normalise(x: Array3, y: Array3, o: int, i: int) -> tuple[float, float]:
    """Write y = exp(x - max) / sum at one position; returns max and sum."""
    most = x[o, 0, i]
    for c in range(1, x.shape[1]):
        if x[o, c, i] > most:
            most = x[o, c, i]
    total = 0.0
    for c in range(x.shape[1]):
        y[o, c, i] = math.exp(x[o, c, i] - most)
        total += y[o, c, i]
    for c in range(x.shape[1]):
        y[o, c, i] /= total
    return most, total


@kernel
def softmax_forward(x: Array3, y: Array3, part: int, parts: int) -> None:
    """x, y: (outer, C, inner). y = exp(x - max), divided by its sum over the classes."""
    inner = x.shape[2]
    for p in range(*span(x.shape[0] * inner, part, parts)):
        normalise(x, y, p // inner, p % inner)


@kernel
def softmax_backward(y: Array3, dy: Array3, dx: Array3, part: int, parts: int) -> None:
    """y, dy, dx: (outer, C, inner). dx = y * (dy - sum of y * dy)."""
    inner = y.shape[2]
    for p in range(*span(y.shape[0] * inner, part, parts)):
        o, i = p // inner, p % inner
        dot = 0.0
        for c in range(y.shape[1]):
            dot += y[o, c, i] * dy[o, c, i]
        for c in range(y.shape[1]):
            dx[o, c, i] = y[o, c, i] * (dy[o, c, i] - dot)


@kernel
def softmax_loss_forward(
    x: Array3, label: Vector, prob: Array3, partial: Doubles, ignoring: int, ignore: int, part: int, parts: int
) -> None:
    """prob = softmax(x); partial (parts * 2) = the sum of -ln prob[label] over a part, and its positions not ignored.

    x, prob: (outer, C, inner), label: (outer * inner,). A label that is no class makes the sum NaN.
    """
    classes, inner = x.shape[1], x.shape[2]
    total = 0.0
    valid = 0
    for p in range(*span(x.shape[0] * inner, part, parts)):
        o, i = p // inner, p % inner
        most, mass = normalise(x, prob, o, i)
        if ignoring and label[p] == ignore:
            continue
        valid += 1
        if is_class(label[p], classes):
            loss = math.log(mass) - (x[o, int(label[p]), i] - most)
            total += LOSS_CAP if loss > LOSS_CAP else loss
        else:
            total = math.nan
    partial[2 * part] = total
    partial[2 * part + 1] = valid


@kernel
def softmax_loss_backward(
    prob: Array3,
    label: Vector,
    dtop: Vector,
    norm: Doubles,
    dx: Array3,
    ignoring: int,
    ignore: int,
    part: int,
    parts: int,
) -> None:
    """dx = (prob - [c is the label]) * dtop / norm; 0 at ignored positions, NaN where a label is no class.

    prob, dx: (outer, C, inner), label: (outer * inner,), dtop, norm: (1,).
    """
    classes, inner = prob.shape[1], prob.shape[2]
    scale = dx.dtype.type(dtop[0] / norm[0])
    for p in range(*span(prob.shape[0] * inner, part, parts)):
        o, i = p // inner, p % inner
        factor = scale
        known = is_class(label[p], classes)
        if ignoring and label[p] == ignore:
            for c in range(classes):
                dx[o, c, i] = 0
            continue
        if not known:
            factor = dx.dtype.type(math.nan)
        for c in range(classes):
            dx[o, c, i] = prob[o, c, i] * factor
        if known:
            dx[o, int(label[p]), i] -= scale
