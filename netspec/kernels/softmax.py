"""Softmax over the middle axis, alone and under the logistic loss.

x, y, dx, dy, prob: (outer, C, inner); label, each: (outer * inner,). A position is one of the outer * inner places that
each hold C scores; parts are cut between positions. Scores that lie side by side are taken vector by vector, class by
class; others position by position, many at a time.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from netspec.codegen.greatest import greatest
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Array3, Doubles, Vector
from netspec.codegen.rows import Real, Row, Value, Variable, Whole, rows, times
from netspec.kernels.loss import is_class
from netspec.kernels.sums import dot_of, total_of

LOSS_CAP = 126.0 * math.log(2.0)
"""-ln(FLT_MIN), 87.3365: the most that one position can lose. Source: Caffe softmax_loss_layer.cpp."""
BLOCK = 256
"""Positions, at most, that are finished before the next begin: what a first pass writes is still near for a second."""


@rows()
def exp_below(x: Row, y: Row, most: Real) -> None:
    """y = exp(x - most)."""
    y.put((x.get() - most).exp())


@rows(group=2)
def scaled(x: Row, y: Row, factor: Real) -> None:
    """y = x * factor; 0 where the factor is 0."""
    y.put((x.get() * factor).cleared(factor.equals(0.0)))


@rows(group=2)
def pulled(y: Row, dy: Row, dx: Row, dot: Real) -> None:
    """dx = y * (dy - dot)."""
    dx.put(y.get() * (dy.get() - dot))


def columns(
    y: Row, number: Whole, width: Whole, score: Callable[[Value], Value], barred: bool = False
) -> tuple[Value, Value]:
    """The columns of y, of a number of rows, = the softmax of their scores; returns (m, sum of e^(score - m)).

    m is the largest score of a column. A column of -infinity alone becomes 0 where scores may be barred, else NaN.
    """
    most = Variable(y.fill(-math.inf))
    for i in times(number):
        value = score(i)
        most.set(value.where(value > most.get(), most.get()))
    top = most.get().where(most.get() > -math.inf, 0.0) if barred else most.get()
    total = Variable(y.fill(0).double())
    for i in times(number):
        value = (score(i) - top).exp()
        y.put(value, i * width)
        total.set(total.get() + value.double())
    inverse = (1.0 / total.get()).cleared(total.get().equals(0.0)).to(y)
    for i in times(number):
        y.put(y.get(i * width) * inverse, i * width)
    return top, total.get()


@rows()
def softmax_down(x: Row, y: Row, number: Whole, width: Whole) -> None:
    """The columns of y = the softmax of those of x."""
    columns(y, number, width, lambda i: x.get(i * width))


@rows()
def softmax_and_level_down(x: Row, y: Row, level: Row, number: Whole, width: Whole) -> None:
    """The columns of y = the softmax of those of x, level = the logarithm of the sum of e^x."""
    most, total = columns(y, number, width, lambda i: x.get(i * width))
    level.put(most.double() + total.log())


@rows(group=2)
def pull_down(y: Row, dy: Row, dx: Row, scale: Real, number: Whole, width: Whole) -> None:
    """dx = scale * y * (dy - the sum of y * dy over a number of rows), column by column; dx may be dy."""
    total = Variable(y.fill(0).double())
    for i in times(number):
        total.set(total.get() + y.get(i * width).double() * dy.get(i * width).double())
    dot = total.get().to(y)
    for i in times(number):
        dx.put(scale * y.get(i * width) * (dy.get(i * width) - dot), i * width)


@rows(group=2)
def scale_down(x: Row, factor: Row, y: Row, number: Whole, width: Whole) -> None:
    """The columns of y = those of x times a factor each; 0 where that is 0."""
    by = factor.get().to(x)
    nothing = by.equals(0.0)
    for i in times(number):
        y.put((x.get(i * width) * by).cleared(nothing), i * width)


@helper
def capped(loss: float) -> float:
    """The loss of a position, at most LOSS_CAP; NaN stays NaN."""
    return LOSS_CAP if loss > LOSS_CAP else loss


@helper
def block(first: int, last: int, inner: int) -> int:
    """How many positions from `first` on lie side by side, up to `last`, and are taken at a time."""
    return min(BLOCK, last - first, inner - first % inner)


@helper
def softmax_row(x: Vector, y: Vector, at: int, classes: int) -> float:
    """y = softmax(x) at the `classes` scores from `at` on; returns the logarithm of the sum of e^x."""
    most: float = greatest(x, at, classes)
    exp_below(classes, x, at, y, at, most)
    total = total_of(y[at : at + classes])
    scaled(classes, y, at, y, at, 1.0 / total)
    return most + math.log(total)


@helper
def softmax_and_level(x: Array3, prob: Array3, level: Doubles, first: int, last: int) -> None:
    """prob = softmax(x), level = the logarithm of the sum of e^x, at the positions from `first` to `last`."""
    (_, classes, inner), flat, probs = x.shape, x.reshape(x.size), prob.reshape(x.size)
    if inner == 1:
        for p in range(first, last):
            level[p] = softmax_row(flat, probs, p * classes, classes)
        return
    while first < last:
        number, at = block(first, last, inner), first // inner * classes * inner + first % inner
        softmax_and_level_down(number, flat, at, probs, at, level, first, classes, inner)
        first += number


@kernel
def softmax_forward(x: Array3, y: Array3, part: int, parts: int) -> None:
    """x, y: (outer, C, inner). y = exp(x - max), divided by its sum over the classes."""
    (outer, classes, inner), flat, tops = x.shape, x.reshape(x.size), y.reshape(y.size)
    first, last = span(outer * inner, part, parts)
    if inner == 1:
        for o in range(first, last):
            softmax_row(flat, tops, o * classes, classes)
        return
    while first < last:
        number, at = block(first, last, inner), first // inner * classes * inner + first % inner
        softmax_down(number, flat, at, tops, at, classes, inner)
        first += number


@kernel
def softmax_backward(y: Array3, dy: Array3, dx: Array3, part: int, parts: int) -> None:
    """y, dy, dx: (outer, C, inner). dx = y * (dy - sum of y * dy)."""
    (outer, classes, inner), tops, diffs, pulls = y.shape, y.reshape(y.size), dy.reshape(y.size), dx.reshape(y.size)
    first, last = span(outer * inner, part, parts)
    if inner == 1:
        for o in range(first, last):
            at, end = o * classes, (o + 1) * classes
            pulled(classes, tops, at, diffs, at, pulls, at, dot_of(tops[at:end], diffs[at:end]))
        return
    while first < last:
        number, at = block(first, last, inner), first // inner * classes * inner + first % inner
        pull_down(number, tops, at, diffs, at, pulls, at, 1.0, classes, inner)
        first += number


@kernel
def softmax_loss_forward(
    x: Array3,
    label: Vector,
    prob: Array3,
    each: Doubles,
    partial: Doubles,
    ignoring: int,
    ignore: int,
    part: int,
    parts: int,
) -> None:
    """prob = softmax(x); partial (parts * 2) = the sum of -ln prob[label] over a part, and its positions not ignored.

    x, prob: (outer, C, inner), label, each: (outer * inner,). A label that is no class makes the sum NaN. `each` is
    scratch: the logarithms of the sums of e^x.
    """
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
            total += capped(each[p] - x[p // inner, int(label[p]), p % inner])
        else:
            total = math.nan
    partial[2 * part] = total
    partial[2 * part + 1] = valid


@helper
def push(prob: Array3, label: Vector, factor: Doubles, dx: Array3, first: int, last: int) -> None:
    """dx = (prob - [c is the label]) * factor at the positions from `first` to `last`; 0 where the factor is 0.

    factor: (outer * inner,), NaN where a label is no class.
    """
    (_, classes, inner), real = dx.shape, dx.dtype.type
    probs, diffs = prob.reshape(prob.size), dx.reshape(dx.size)
    while first < last:
        number, at = block(first, last, inner), first // inner * classes * inner + first % inner
        if inner == 1:
            scaled(classes, probs, at, diffs, at, factor[first])
        else:
            scale_down(number, probs, at, factor, first, diffs, at, classes, inner)
        for p in range(first, first + number):
            if is_class(label[p], classes):
                dx[p // inner, int(label[p]), p % inner] -= real(factor[p])
        first += number


@kernel
def softmax_loss_backward(
    prob: Array3,
    label: Vector,
    each: Doubles,
    dtop: Vector,
    norm: Doubles,
    dx: Array3,
    ignoring: int,
    ignore: int,
    part: int,
    parts: int,
) -> None:
    """dx = (prob - [c is the label]) * dtop / norm; 0 at ignored positions, NaN where a label is no class.

    prob, dx: (outer, C, inner), label, each: (outer * inner,), dtop, norm: (1,). `each` is scratch: the factors.
    """
    classes, scale = prob.shape[1], dtop[0] / norm[0]
    first, last = span(prob.shape[0] * prob.shape[2], part, parts)
    for p in range(first, last):
        each[p] = scale if is_class(label[p], classes) else math.nan
        if ignoring and label[p] == ignore:
            each[p] = 0.0
    push(prob, label, each, dx, first, last)
