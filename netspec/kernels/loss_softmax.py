"""Losses on probabilities of classes, beside the plain one of `kernels/softmax.py`.

x, prob, dx: (outer, C, inner), label: (outer * inner,), as there; `each` (outer * inner,) is scratch: forward keeps the
logarithms of the sums of e^x there. `partial`, `dtop` and `norm` are as in `kernels/loss.py`. A label that is no class
makes the loss NaN.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from netspec.codegen.kernel import helper, kernel, span, summing
from netspec.codegen.kinds import Array3, Doubles, Matrix, Vector
from netspec.kernels.loss import is_class
from netspec.kernels.loss_margin import nothing
from netspec.kernels.softmax import capped, push, softmax_and_level
from netspec.kernels.sums import total_of

FLOOR = 1e-20
"""The least probability whose logarithm is taken. Source: Caffe, kLOG_THRESHOLD."""
MOST = -math.log(FLOOR)
"""The most that a class loses, 46.05."""


class Targets(NamedTuple):
    """What labels mean."""

    smoothing: float  # the share of a label that all classes have in common
    soft: int  # 1: a label is a probability of each class
    ignoring: int  # 1: a position with the label `ignore` counts for nothing
    ignore: int


@helper
def fill_position(dx: Array3, o: int, i: int, value: float) -> None:
    """Fill the diff of a position."""
    for c in range(dx.shape[1]):
        dx[o, c, i] = value


@summing
def even_loss(x: Array3, level: float, class_weight: Doubles, o: int, i: int) -> float:
    """The sum of -class_weight * ln prob over the classes of a position."""
    total = 0.0
    for c in range(x.shape[1]):
        loss = level - x[o, c, i]
        total += class_weight[c] * capped(loss)
    return total


@summing
def soft_loss(x: Array3, level: float, truth: Array3, class_weight: Doubles, smoothing: float, o: int, i: int) -> float:
    """The sum of -class_weight * share * ln prob over the classes of a position, by soft labels."""
    total = 0.0
    for c in range(x.shape[1]):
        loss = level - x[o, c, i]
        share = (1.0 - smoothing) * np.float64(truth[o, c, i]) + smoothing / x.shape[1]
        total += class_weight[c] * share * capped(loss)
    return total


@summing
def soft_mass(truth: Array3, class_weight: Doubles, smoothing: float, o: int, i: int) -> float:
    """The sum of class_weight * share over the classes of a position, by soft labels."""
    total = 0.0
    for c in range(truth.shape[1]):
        total += class_weight[c] * ((1.0 - smoothing) * np.float64(truth[o, c, i]) + smoothing / truth.shape[1])
    return total


@kernel
def weighted_softmax_forward(
    x: Array3,
    truth: Vector,
    weight: Vector,
    class_weight: Doubles,
    prob: Array3,
    each: Doubles,
    partial: Doubles,
    targets: Targets,
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
    first, last = span(x.shape[0] * inner, part, parts)
    softmax_and_level(x, prob, each, first, last)
    for p in range(first, last):
        o, i = p // inner, p % inner
        if targets.ignoring and truth[p] == targets.ignore:
            continue
        if not targets.soft and not is_class(truth[p], classes):
            total = math.nan
            continue
        loss = 0.0
        if targets.soft:
            loss = soft_loss(x, each[p], truth.reshape(x.shape), class_weight, targets.smoothing, o, i)
        else:
            if targets.smoothing:
                loss = targets.smoothing / classes * even_loss(x, each[p], class_weight, o, i)
            known = (1.0 - targets.smoothing) * class_weight[int(truth[p])]
            if known:
                loss += known * capped(each[p] - x[o, int(truth[p]), i])
        own = weight[p] if weight.size else 1.0
        total += own * loss
        valid += own if targets.soft else own * class_weight[int(truth[p])]
    partial[2 * part] = total
    partial[2 * part + 1] = valid


@kernel
def weighted_softmax_backward(
    prob: Array3,
    truth: Vector,
    weight: Vector,
    class_weight: Doubles,
    each: Doubles,
    dtop: Vector,
    norm: Doubles,
    dx: Array3,
    targets: Targets,
    part: int,
    parts: int,
) -> None:
    """dx = (prob * the sum of class_weight * share - class_weight * share) * weight * dtop / norm; 0 where ignored."""
    classes, inner = prob.shape[1], prob.shape[2]
    first, last = span(prob.shape[0] * inner, part, parts)
    for p in range(first, last):
        known = targets.soft or is_class(truth[p], classes)
        each[p] = (weight[p] if weight.size else 1.0) * dtop[0] / norm[0] if known else math.nan
        if known and not targets.soft and not targets.smoothing:
            each[p] *= class_weight[int(truth[p])]
        if targets.ignoring and truth[p] == targets.ignore:
            each[p] = 0.0
    if not targets.soft and not targets.smoothing:
        push(prob, truth, each, dx, first, last)
        return
    even = targets.smoothing / classes * total_of(class_weight)
    for p in range(first, last):
        o, i = p // inner, p % inner
        if each[p] == 0:
            fill_position(dx, o, i, 0.0)
        elif targets.soft:
            pull_soft(prob, truth.reshape(prob.shape), class_weight, dx, targets.smoothing, each[p], o, i)
        else:
            known = is_class(truth[p], classes)
            own = int(truth[p]) if known else 0
            pull_smooth(prob, class_weight, dx, targets.smoothing, even, each[p], o, i, own)


@helper
def pull_soft(
    prob: Array3, truth: Array3, class_weight: Doubles, dx: Array3, smoothing: float, scale: float, o: int, i: int
) -> None:
    """The gradient of a position by soft labels."""
    mass = soft_mass(truth, class_weight, smoothing, o, i)
    for c in range(prob.shape[1]):
        share = (1.0 - smoothing) * np.float64(truth[o, c, i]) + smoothing / prob.shape[1]
        dx[o, c, i] = (prob[o, c, i] * mass - class_weight[c] * share) * scale


@helper
def pull_smooth(
    prob: Array3,
    class_weight: Doubles,
    dx: Array3,
    smoothing: float,
    even: float,
    scale: float,
    o: int,
    i: int,
    own: int,
) -> None:
    """The gradient of a position whose label is smoothed; `even`: what all classes have of it together."""
    known, rest = (1.0 - smoothing) * class_weight[own], smoothing / prob.shape[1]
    mass, there = known + even, prob[o, own, i]
    for c in range(prob.shape[1]):
        dx[o, c, i] = (prob[o, c, i] * mass - class_weight[c] * rest) * scale
    dx[o, own, i] = (there * mass - class_weight[own] * rest - known) * scale


@summing
def gained(x: Array3, level: float, gain: Vector, o: int, i: int) -> float:
    """The sum of -gain * ln max(prob, FLOOR) over the classes of a position; gain: (C,)."""
    total = 0.0
    for c in range(x.shape[1]):
        loss = level - x[o, c, i]
        total += gain[c] * (MOST if loss > MOST else loss)
    return total


@kernel
def infogain_forward(
    x: Array3,
    label: Vector,
    gain: Matrix,
    prob: Array3,
    each: Doubles,
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
    first, last = span(x.shape[0] * inner, part, parts)
    softmax_and_level(x, prob, each, first, last)
    for p in range(first, last):
        if ignoring and label[p] == ignore:
            continue
        valid += 1
        if is_class(label[p], classes):
            total += gained(x, each[p], gain[int(label[p])], p // inner, p % inner)
        else:
            total = math.nan
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
        own = gain[int(label[p])]
        mass = total_of(own)
        for c in range(classes):
            dx[o, c, i] = (prob[o, c, i] * mass - own[c]) * scale


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
    each: Doubles,
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
    first, last = span(x.shape[0] * inner, part, parts)
    softmax_and_level(x, prob, each, first, last)
    for p in range(first, last):
        if ignoring and label[p] == ignore:
            continue
        if not is_class(label[p], classes):
            total = math.nan
            continue
        own = int(label[p])
        loss = capped(each[p] - x[p // inner, own, p % inner])
        total += class_weight[own] * loss * (-math.expm1(-loss)) ** gamma
        valid += class_weight[own]
    partial[2 * part] = total
    partial[2 * part + 1] = valid


@summing
def all_but(prob: Array3, o: int, i: int, own: int) -> float:
    """The probability of all classes of a position but one."""
    total = 0.0
    for c in range(prob.shape[1]):
        total += 0.0 if c == own else np.float64(prob[o, c, i])
    return total


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
        rest = all_but(prob, o, i, own)
        slope = 0.0
        if rest > 0:
            falls = gamma * right * math.log(right) / rest if right > 0 else 0.0
            slope = (falls - 1.0) * rest**gamma * class_weight[own] * dtop[0] / norm[0]
        for c in range(classes):
            dx[o, c, i] = -prob[o, c, i] * slope
        dx[o, own, i] = rest * slope
