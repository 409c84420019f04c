"""Maximum, mean and root of the sum of squares over neighbouring rows: FeaturePooling, and the pieces of Maxout; GLU.

Letters: P planes, each of k rows of `width` values. x, dx: (P, k, width), y, dy, arg: (P, width), all of them flat.
Source of GLU: Dauphin et al. 2017.
"""

from __future__ import annotations

from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Ints, Vector
from netspec.codegen.rows import Row, Variable, Whole, rows, times


@rows()
def greatest(x: Row, y: Row, arg: Row, k: Whole, width: Whole) -> None:
    """y = the greatest of k rows of x, and arg = the first row that has it; a NaN beats every number."""
    best, place = Variable(x.get()), Variable(arg.fill(0))
    for p in times(k):
        value = x.get(p * width)
        more = (value > best.get()) | value.is_nan()
        best.set(value.where(more, best.get()))
        place.set(p.spread(arg).where(more, place.get()))
    y.put(best.get())
    arg.put(place.get())


@rows()
def spread_greatest(dy: Row, arg: Row, dx: Row, k: Whole, width: Whole) -> None:
    """dx = dy in the row that `arg` names, 0 in the others."""
    value, place = dy.get(), arg.get()
    for p in times(k):
        dx.put(value.where(place.equals(p.spread(arg)), 0.0), p * width)


@rows()
def mean(x: Row, y: Row, k: Whole, width: Whole) -> None:
    """y = the mean of k rows of x."""
    total = Variable(x.fill(0).double())
    for p in times(k):
        total.set(total.get() + x.get(p * width).double())
    y.put((total.get() * k.share().spread(total.get())).to(y))


@rows()
def spread_mean(dy: Row, dx: Row, k: Whole, width: Whole) -> None:
    """dx = dy / k in k rows."""
    value = dy.get() * k.share().spread(dy)
    for p in times(k):
        dx.put(value, p * width)


@rows()
def norm(x: Row, y: Row, k: Whole, width: Whole) -> None:
    """y = the root of the sum of squares of k rows of x."""
    total = Variable(x.fill(0).double())
    for p in times(k):
        value = x.get(p * width).double()
        total.set(total.get() + value * value)
    y.put(total.get().sqrt().to(y))


@rows()
def spread_norm(x: Row, y: Row, dy: Row, dx: Row, k: Whole, width: Whole) -> None:
    """dx = dy * x / y in k rows; 0 where y is 0."""
    root = y.get()
    factor = (dy.get() / root).where(root > 0, 0.0)
    for p in times(k):
        dx.put(factor * x.get(p * width), p * width)


@kernel
def max_forward(x: Vector, y: Vector, arg: Ints, k: int, width: int, part: int, parts: int) -> None:
    """y = the maximum over k rows, arg = the row that has it, as `greatest` says. A part owns planes."""
    for p in range(*span(y.size // width, part, parts)):
        greatest(width, x, p * k * width, y, p * width, arg, p * width, k, width)


@kernel
def max_backward(dy: Vector, arg: Ints, dx: Vector, k: int, width: int, part: int, parts: int) -> None:
    """dx = dy where a row has the maximum, else 0."""
    for p in range(*span(dy.size // width, part, parts)):
        spread_greatest(width, dy, p * width, arg, p * width, dx, p * k * width, k, width)


@kernel
def mean_forward(x: Vector, y: Vector, k: int, width: int, part: int, parts: int) -> None:
    """y = the mean over k rows."""
    for p in range(*span(y.size // width, part, parts)):
        mean(width, x, p * k * width, y, p * width, k, width)


@kernel
def mean_backward(dy: Vector, dx: Vector, k: int, width: int, part: int, parts: int) -> None:
    """dx = dy / k."""
    for p in range(*span(dy.size // width, part, parts)):
        spread_mean(width, dy, p * width, dx, p * k * width, k, width)


@kernel
def norm_forward(x: Vector, y: Vector, k: int, width: int, part: int, parts: int) -> None:
    """y = sqrt(the sum of x^2 over k rows)."""
    for p in range(*span(y.size // width, part, parts)):
        norm(width, x, p * k * width, y, p * width, k, width)


@kernel
def norm_backward(x: Vector, y: Vector, dy: Vector, dx: Vector, k: int, width: int, part: int, parts: int) -> None:
    """dx = dy * x / y, or 0 where y is 0."""
    for p in range(*span(y.size // width, part, parts)):
        at = p * width
        spread_norm(width, x, at * k, y, at, dy, at, dx, at * k, k, width)


@rows()
def gate(a: Row, b: Row, y: Row) -> None:
    """y = a * sigmoid(b)."""
    y.put(a.get() / (1.0 + (-b.get()).exp()))


@rows()
def gate_diff(a: Row, b: Row, dy: Row, da: Row, db: Row) -> None:
    """da = dy * sigmoid(b), db = dy * a * the slope of sigmoid(b)."""
    value, share = a.get(), 1.0 / (1.0 + (-b.get()).exp())
    diff = dy.get() * share
    da.put(diff)
    db.put(diff * value * (1.0 - share))


@kernel
def glu_forward(x: Vector, y: Vector, width: int, part: int, parts: int) -> None:
    """x: (P, 2, width), y: (P, width). y = x[:, 0] * sigmoid(x[:, 1])."""
    at, last = span(y.size, part, parts)
    while at < last:
        row = at // width
        size = min(last, (row + 1) * width) - at
        place = at + row * width
        gate(size, x, place, x, place + width, y, at)
        at += size


@kernel
def glu_backward(x: Vector, dy: Vector, dx: Vector, width: int, part: int, parts: int) -> None:
    """x, dx: (P, 2, width), dy: (P, width)."""
    at, last = span(dy.size, part, parts)
    while at < last:
        row = at // width
        size = min(last, (row + 1) * width) - at
        place = at + row * width
        gate_diff(size, x, place, x, place + width, dy, at, dx, place, dx, place + width)
        at += size
