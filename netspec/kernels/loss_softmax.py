"""Losses on probabilities of classes, beside the plain one of `kernels/softmax.py`.

x, prob, dx: (outer, C, inner), label: (outer * inner,), as there; `partial`, `dtop` and `norm` are as in
`kernels/loss.py`. A label that is no class makes the loss NaN.
"""

from __future__ import annotations

import math

import numpy as np

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Array3, Doubles, Matrix, Vector
from netspec.kernels.loss import is_class
from netspec.kernels.loss_margin import nothing
from netspec.kernels.softmax import LOSS_CAP, normalise

FLOOR = 1e-20
"""The least probability whose logarithm is taken: a class loses at most 46.05. Source: Caffe, kLOG_THRESHOLD."""


@helper
def fill_position(dx: Array3, o: int, i: int, value: float) -> None:
    """Fill the diff of a position."""
    for c in range(dx.shape[1]):
        dx[o, c, i] = value


@helper
def share(truth: Vector, soft: int, smoothing: float, shape: tuple[int, int, int], o: int, c: int, i: int) -> float:
    """What the truth gives to class c at a position: [c is the label] or a probability, mixed with 1 / C."""
    given = truth[(o * shape[1] + c) * shape[2] + i] if soft else truth[o * shape[2] + i]
    own = np.float64(given) if soft else 1.0 if given == c else 0.0
    return (1.0 - smoothing) * own + smoothing / shape[1]


@kernel
def weighted_softmax_forward(
    x: Array3,
    truth: Vector,
    weight: Vector,
    class_weight: Doubles,
    prob: Array3,
    partial: Doubles,
    smoothing: float,
    soft: int,
    ignoring: int,
    ignore: int,
    part: int,
    parts: int,
) -> None:
    """prob = softmax(x); the sum of -weight * class_weight[c] * share[c] * ln prob[c], and of the positions' weights.

    truth: (outer * inner,), or (outer, C, inner) if soft. weight: (outer * inner,), or (0,) for 1. class_weight: (C,).
    The weight of a position is its own times that of its label.
    """
    classes, inner = x.shape[1], x.shape[2]
    total = 0.0
    valid = 0.0
    for p in range(*span(x.shape[0] * inner, part, parts)):
        o, i = p // inner, p % inner
        most, mass = normalise(x, prob, o, i)
        if ignoring and truth[p] == ignore:
            continue
        if not soft and not is_class(truth[p], classes):
            total = math.nan
            continue
        loss = 0.0
        for c in range(classes):
            part_of = class_weight[c] * share(truth, soft, smoothing, x.shape, o, c, i)
            if part_of != 0:
                loss += part_of * min(LOSS_CAP, math.log(mass) - (x[o, c, i] - most))
        own = weight[p] if weight.size else 1.0
        total += own * loss
        valid += own if soft else own * class_weight[int(truth[p])]
    partial[2 * part] = total
    partial[2 * part + 1] = valid


@kernel
def weighted_softmax_backward(
    prob: Array3,
    truth: Vector,
    weight: Vector,
    class_weight: Doubles,
    dtop: Vector,
    norm: Doubles,
    dx: Array3,
    smoothing: float,
    soft: int,
    ignoring: int,
    ignore: int,
    part: int,
    parts: int,
) -> None:
    """dx = (prob * the sum of class_weight * share - class_weight * share) * weight * dtop / norm; 0 where ignored."""
    classes, inner = prob.shape[1], prob.shape[2]
    for p in range(*span(prob.shape[0] * inner, part, parts)):
        o, i = p // inner, p % inner
        if ignoring and truth[p] == ignore:
            fill_position(dx, o, i, 0.0)
            continue
        scale = (weight[p] if weight.size else 1.0) * dtop[0] / norm[0]
        if not soft and not is_class(truth[p], classes):
            scale = math.nan
        mass = 0.0
        for c in range(classes):
            mass += class_weight[c] * share(truth, soft, smoothing, prob.shape, o, c, i)
        for c in range(classes):
            own = class_weight[c] * share(truth, soft, smoothing, prob.shape, o, c, i)
            dx[o, c, i] = (prob[o, c, i] * mass - own) * scale


@kernel
def infogain_forward(
    x: Array3,
    label: Vector,
    gain: Matrix,
    prob: Array3,
    partial: Doubles,
    ignoring: int,
    ignore: int,
    part: int,
    parts: int,
) -> None:
    """prob = softmax(x); the sum of -gain[label, c] * ln max(prob[c], FLOOR) over c; gain: (C, C)."""
    classes, inner = x.shape[1], x.shape[2]
    total = 0.0
    valid = 0
    for p in range(*span(x.shape[0] * inner, part, parts)):
        o, i = p // inner, p % inner
        normalise(x, prob, o, i)
        if ignoring and label[p] == ignore:
            continue
        valid += 1
        if not is_class(label[p], classes):
            total = math.nan
            continue
        for c in range(classes):
            total -= gain[int(label[p]), c] * log_of(prob[o, c, i])
    partial[2 * part] = total
    partial[2 * part + 1] = valid


@helper
def log_of(chance: float) -> float:
    """ln max(chance, FLOOR); NaN of NaN."""
    return math.log(FLOOR if chance < FLOOR else chance)


@kernel
def infogain_backward(
    prob: Array3,
    label: Vector,
    gain: Matrix,
    dtop: Vector,
    norm: Doubles,
    dx: Array3,
    ignoring: int,
    ignore: int,
    part: int,
    parts: int,
) -> None:
    """dx = (prob[c] * the sum of gain[label] - gain[label, c]) * dtop / norm; 0 where ignored."""
    classes, inner = prob.shape[1], prob.shape[2]
    scale = dtop[0] / norm[0]
    for p in range(*span(prob.shape[0] * inner, part, parts)):
        o, i = p // inner, p % inner
        if ignoring and label[p] == ignore:
            fill_position(dx, o, i, 0.0)
            continue
        if not is_class(label[p], classes):
            fill_position(dx, o, i, math.nan)
            continue
        own = int(label[p])
        mass = 0.0
        for c in range(classes):
            mass += gain[own, c]
        for c in range(classes):
            dx[o, c, i] = (prob[o, c, i] * mass - gain[own, c]) * scale


@kernel
def multinomial_forward(prob: Matrix, label: Vector, partial: Doubles, part: int, parts: int) -> None:
    """The sum of -ln max(prob[label], FLOOR); prob: (N, C), label: (N,)."""
    total = 0.0
    for n in range(*span(prob.shape[0], part, parts)):
        if is_class(label[n], prob.shape[1]):
            total -= log_of(prob[n, int(label[n])])
        else:
            total = math.nan
    partial[2 * part] = total
    partial[2 * part + 1] = 0.0


@kernel
def multinomial_backward(
    prob: Matrix, label: Vector, dtop: Vector, norm: Doubles, dx: Matrix, part: int, parts: int
) -> None:
    """dx = -dtop / norm / max(prob, FLOOR) at the label, 0 elsewhere; prob, dx: (N, C), label: (N,)."""
    scale = dtop[0] / norm[0]
    for n in range(*span(prob.shape[0], part, parts)):
        known = is_class(label[n], prob.shape[1])
        nothing(dx, n, 0.0 if known else math.nan)
        if known:
            chance = prob[n, int(label[n])]
            dx[n, int(label[n])] = -scale / (FLOOR if chance < FLOOR else chance)


@kernel
def focal_softmax_forward(
    x: Array3,
    label: Vector,
    class_weight: Doubles,
    prob: Array3,
    partial: Doubles,
    gamma: float,
    ignoring: int,
    ignore: int,
    part: int,
    parts: int,
) -> None:
    """prob = softmax(x); the sum of -class_weight[label] * (1 - p)^gamma * ln p, with p = prob[label].

    class_weight: (C,).
    """
    classes, inner = x.shape[1], x.shape[2]
    total = 0.0
    valid = 0.0
    for p in range(*span(x.shape[0] * inner, part, parts)):
        o, i = p // inner, p % inner
        most, mass = normalise(x, prob, o, i)
        if ignoring and label[p] == ignore:
            continue
        if not is_class(label[p], classes):
            total = math.nan
            continue
        own = int(label[p])
        loss = min(LOSS_CAP, math.log(mass) - (x[o, own, i] - most))
        total += class_weight[own] * loss * (-math.expm1(-loss)) ** gamma
        valid += class_weight[own]
    partial[2 * part] = total
    partial[2 * part + 1] = valid


@kernel
def focal_softmax_backward(
    prob: Array3,
    label: Vector,
    class_weight: Doubles,
    dtop: Vector,
    norm: Doubles,
    dx: Array3,
    gamma: float,
    ignoring: int,
    ignore: int,
    part: int,
    parts: int,
) -> None:
    """dx = ([c is the label] - prob[c]) * (gamma p (1 - p)^(gamma - 1) ln p - (1 - p)^gamma) * weight * dtop / norm."""
    classes, inner = prob.shape[1], prob.shape[2]
    for p in range(*span(prob.shape[0] * inner, part, parts)):
        o, i = p // inner, p % inner
        if ignoring and label[p] == ignore:
            fill_position(dx, o, i, 0.0)
            continue
        if not is_class(label[p], classes):
            fill_position(dx, o, i, math.nan)
            continue
        own = int(label[p])
        right = prob[o, own, i]
        rest = 0.0
        for c in range(classes):
            rest += 0.0 if c == own else prob[o, c, i]
        slope = 0.0
        if rest > 0:
            falls = gamma * right * math.log(right) / rest if right > 0 else 0.0
            slope = (falls - 1.0) * rest**gamma * class_weight[own] * dtop[0] / norm[0]
        for c in range(classes):
            dx[o, c, i] = -prob[o, c, i] * slope
        dx[o, own, i] = rest * slope
