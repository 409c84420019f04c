"""Rows that are normalised each by itself: y = (x - mean) * inverse * w + b for x (R, M), as `RowRule` says.

Where w has a value for each place of a row it is (M,). Where a row is `runs` runs of one factor each, the k-th run of
all rows has the factor k % C of w (C,). An empty w stands for 1, an empty b for 0. Sums along a row are taken in
float64. Backward takes dx = inverse * (g - mean(g) - z * mean(g * z)), with g = dy * w and z = (x - mean) * inverse.
"""

from __future__ import annotations

import math

import numpy as np

from netspec.codegen.geometry import CENTRE, DEVIATION, LENGTH, Affine, AffineDiffs, RowRule
from netspec.codegen.kernel import helper, kernel, span, summing
from netspec.codegen.kinds import Doubles, Matrix, Vector
from netspec.codegen.rows import Real, Row, Variable, Whole, rows, times
from netspec.kernels.sums import total_of

BLOCK = 16
"""Rows whose products are added up in the net's float type before they are added to the float64 sums."""


@summing
def row_squares(x: Vector, mean: float) -> float:
    """The sum of (x - mean)^2 over a row (M,)."""
    total = 0.0
    for i in range(x.size):
        value = np.float64(x[i]) - mean
        total += value * value
    return total


@summing
def row_products(x: Vector, dy: Vector, mean: float) -> tuple[float, float]:
    """The sums of dy and of dy * (x - mean) over a row (M,)."""
    total, products = 0.0, 0.0
    for i in range(x.size):
        diff = np.float64(dy[i])
        total += diff
        products += diff * (np.float64(x[i]) - mean)
    return total, products


@summing
def row_weighted(x: Vector, dy: Vector, w: Vector, mean: float) -> tuple[float, float]:
    """The sums of dy * w and of dy * w * (x - mean) over a row (M,)."""
    total, products = 0.0, 0.0
    for i in range(x.size):
        diff = np.float64(dy[i]) * np.float64(w[i])
        total += diff
        products += diff * (np.float64(x[i]) - mean)
    return total, products


@rows(group=2)
def scaled(x: Row, y: Row, mean: Real, slope: Real, shift: Real) -> None:
    """y = (x - mean) * slope + shift."""
    y.put((x.get() - mean) * slope + shift)


@rows(group=2)
def scaled_by(x: Row, w: Row, y: Row, mean: Real, inverse: Real) -> None:
    """y = (x - mean) * inverse * w."""
    y.put((x.get() - mean) * inverse * w.get())


@rows(group=2)
def scaled_and_shifted_by(x: Row, w: Row, b: Row, y: Row, mean: Real, inverse: Real) -> None:
    """y = (x - mean) * inverse * w + b."""
    y.put((x.get() - mean) * inverse * w.get() + b.get())


@rows(group=2)
def pulled(x: Row, dy: Row, dx: Row, mean: Real, of_dy: Real, of_x: Real, shift: Real) -> None:
    """dx = of_dy * dy - of_x * (x - mean) - shift."""
    dx.put(of_dy * dy.get() - (of_x * (x.get() - mean) + shift))


@rows(group=2)
def pulled_by(x: Row, dy: Row, w: Row, dx: Row, mean: Real, of_dy: Real, of_x: Real, shift: Real) -> None:
    """dx = of_dy * dy * w - of_x * (x - mean) - shift."""
    dx.put(of_dy * (dy.get() * w.get()) - (of_x * (x.get() - mean) + shift))


@rows(group=4)
def add_rows(x: Row, dy: Row, mean: Row, inverse: Row, products: Row, totals: Row, number: Whole, width: Whole) -> None:
    """products += the sum of dy * (x - mean) * inverse over a number of rows, totals += that of dy."""
    z, s = Variable(x.fill(0)), Variable(x.fill(0))
    for i in times(number):
        diff = dy.get(i * width)
        z.set(z.get() + diff * ((x.get(i * width) - mean.number(i).to(x)) * inverse.number(i).to(x)))
        s.set(s.get() + diff)
    products.put(products.get() + z.get().double())
    totals.put(totals.get() + s.get().double())


@helper
def measured(x: Vector, how: RowRule) -> tuple[float, float]:
    """(mean, inverse) of a row (M,)."""
    mean = total_of(x) / x.size if how.centred else 0.0
    if how.divisor == CENTRE:
        return mean, 1.0
    total = row_squares(x, mean)
    if how.divisor == LENGTH:
        length = math.sqrt(total)
        return mean, 1.0 / (how.eps if length < how.eps else length)
    if how.divisor == DEVIATION:
        return mean, 1.0 / (math.sqrt(total / x.size) + how.eps)
    return mean, 1.0 / math.sqrt(total / x.size + how.eps)


@helper
def pull(total: float, products: float, inverse: float, size: int, how: RowRule) -> tuple[float, float]:
    """(shift, of_x) of `pulled` for a row of `size` values, from its sums of g and of g * z."""
    shift = total / size * inverse if how.centred else 0.0
    if how.divisor == CENTRE:
        return shift, 0.0
    if how.divisor == LENGTH:
        return shift, 0.0 if inverse * how.eps >= 1.0 else products * inverse * inverse
    return shift, products / size * inverse * inverse


@kernel
def forward_by_place(
    x: Matrix, affine: Affine, mean: Doubles, inverse: Doubles, y: Matrix, how: RowRule, part: int, parts: int
) -> None:
    """x, y: (R, M), w: (M,), b: (M,) or empty. Keeps each row's mean and inverse (R,)."""
    (r, m), real, w, b = x.shape, x.dtype.type, affine.weight, affine.bias
    x_flat, y_flat = x.reshape(r * m), y.reshape(r * m)
    for i in range(*span(r, part, parts)):
        mean[i], inverse[i] = measured(x[i], how)
        if b.size:
            scaled_and_shifted_by(m, x_flat, i * m, w, 0, b, 0, y_flat, i * m, real(mean[i]), real(inverse[i]))
        else:
            scaled_by(m, x_flat, i * m, w, 0, y_flat, i * m, real(mean[i]), real(inverse[i]))


@kernel
def forward_by_run(
    x: Matrix, affine: Affine, mean: Doubles, inverse: Doubles, y: Matrix, how: RowRule, part: int, parts: int
) -> None:
    """x, y: (R, M), w, b: (C,) or empty, for the runs. Keeps each row's mean and inverse (R,)."""
    (r, m), real, w, b = x.shape, x.dtype.type, affine.weight, affine.bias
    x_flat, y_flat, width = x.reshape(r * m), y.reshape(r * m), m // how.runs
    for i in range(*span(r, part, parts)):
        mean[i], inverse[i] = measured(x[i], how)
        for k in range(i * how.runs, (i + 1) * how.runs):
            slope = inverse[i] * w[k % w.size] if w.size else inverse[i]
            shift = b[k % b.size] if b.size else real(0)
            scaled(width, x_flat, k * width, y_flat, k * width, real(mean[i]), real(slope), shift)


@kernel
def backward_by_place(
    x: Matrix,
    dy: Matrix,
    w: Vector,
    mean: Doubles,
    inverse: Doubles,
    partial: Doubles,
    dx: Matrix,
    how: RowRule,
    part: int,
    parts: int,
) -> None:
    """dx (R, M) and partial (parts, 2, M), the sums of dy * z and of dy over each part's rows; either may be empty.

    x, dy: (R, M), w: (M,), mean, inverse: (R,).
    """
    (r, m), real = x.shape, x.dtype.type
    x_flat, dy_flat, dx_flat = x.reshape(r * m), dy.reshape(r * m), dx.reshape(dx.size)
    first, last = span(r, part, parts)
    at = 2 * m * part
    if partial.size:
        partial[at : at + 2 * m] = 0
    for block in range(first, last, BLOCK):
        number = min(BLOCK, last - block)
        for i in range(block, block + number):
            if dx.size:
                total, products = row_weighted(x[i], dy[i], w, mean[i])
                shift, of_x = pull(total, products * inverse[i], inverse[i], m, how)
                slopes = (real(mean[i]), real(inverse[i]), real(of_x), real(shift))
                pulled_by(m, x_flat, i * m, dy_flat, i * m, w, 0, dx_flat, i * m, *slopes)
        if partial.size:
            begin, sums = block * m, at + m
            add_rows(
                m, x_flat, begin, dy_flat, begin, mean, block, inverse, block, partial, at, partial, sums, number, m
            )


@kernel
def add_pieces(partial: Doubles, dw: Vector, db: Vector, add_w: int, add_b: int, part: int, parts: int) -> None:
    """dw, db (M,) = (with `add_w`, `add_b`: +=) the sums over the pieces of partial (pieces, 2, M), in order.

    An empty dw or db is not computed. A part owns places.
    """
    m = max(dw.size, db.size)
    first, last = span(m, part, parts)
    for which, diff, adding in ((0, dw, add_w), (m, db, add_b)):
        if diff.size:
            total, out = partial[which + first : which + last], diff[first:last]
            for at in range(which + 2 * m, partial.size, 2 * m):
                piece = partial[at + first : at + last]
                for i in range(total.size):
                    total[i] += piece[i]
            for i in range(total.size):
                out[i] = out[i] + total[i] if adding else total[i]


@kernel
def backward_by_run(
    x: Matrix,
    dy: Matrix,
    w: Vector,
    mean: Doubles,
    inverse: Doubles,
    sums: Doubles,
    dx: Matrix,
    how: RowRule,
    part: int,
    parts: int,
) -> None:
    """sums (2, R * runs) = each run's sums of dy * z and of dy; dx (R, M), unless it is empty.

    x, dy: (R, M), w: (C,) or empty, mean, inverse: (R,).
    """
    (r, m), real, width, half = x.shape, x.dtype.type, x.shape[1] // how.runs, sums.size // 2
    x_flat, dy_flat, dx_flat = x.reshape(r * m), dy.reshape(r * m), dx.reshape(dx.size)
    for i in range(*span(r, part, parts)):
        total, products = 0.0, 0.0
        for k in range(i * how.runs, (i + 1) * how.runs):
            s, p = row_products(x_flat[k * width : (k + 1) * width], dy_flat[k * width : (k + 1) * width], mean[i])
            sums[k], sums[half + k] = p * inverse[i], s
            factor = np.float64(w[k % w.size]) if w.size else 1.0
            total += factor * s
            products += factor * sums[k]
        if dx.size:
            shift, of_x = pull(total, products, inverse[i], m, how)
            for k in range(i * how.runs, (i + 1) * how.runs):
                at, slope = k * width, inverse[i] * w[k % w.size] if w.size else inverse[i]
                slopes = (real(mean[i]), real(slope), real(of_x), real(shift))
                pulled(width, x_flat, at, dy_flat, at, dx_flat, at, *slopes)


@kernel
def add_runs(sums: Doubles, diffs: AffineDiffs, part: int, parts: int) -> None:
    """The gradients (C,) of factors and constants: each channel's sums over its runs, in order. Runs as one part.

    sums: (2, runs), of dy * z and of dy.
    """
    half = sums.size // 2
    for which, diff, adding in ((0, diffs.weight, diffs.add_weight), (half, diffs.bias, diffs.add_bias)):
        for c in range(diff.size):
            total = np.float64(diff[c]) if adding else 0.0
            for k in range(c, half, diff.size):
                total += sums[which + k]
            diff[c] = total


# --- vectors whose values lie apart: along C in x, y, dx, dy (outer, C, step), flat, with w (C,) or empty


@rows()
def add_squares(x: Row, total: Row) -> None:
    """total += x * x."""
    value = x.get().double()
    total.put(total.get() + value * value)


@rows()
def inverted(total: Row, eps: Real) -> None:
    """total = 1 / the larger of eps and its square root."""
    length, least = total.get().sqrt(), eps.double()
    total.put(1.0 / least.where(length < least, length))


@rows()
def multiplied(x: Row, inverse: Row, y: Row, factor: Real) -> None:
    """y = x * inverse * factor."""
    y.put(x.get() * inverse.get().to(x) * factor)


@rows()
def add_dots(x: Row, dy: Row, dot: Row, factor: Real) -> None:
    """dot += factor * dy * x."""
    dot.put(dot.get() + (factor * dy.get()).double() * x.get().double())


@rows()
def pulled_along(x: Row, dy: Row, inverse: Row, dot: Row, dx: Row, factor: Real, eps: Real) -> None:
    """dx = inverse * (factor * dy - x * inverse^2 * dot), without its second term where the length was below eps."""
    by = inverse.get()
    slope = (by * by * dot.get()).cleared(by * eps.double() >= 1.0)
    dx.put(by.to(x) * (factor * dy.get() - x.get() * slope.to(x)))


@kernel
def lengths_forward(
    x: Vector, w: Vector, inverse: Doubles, y: Vector, c: int, step: int, eps: float, part: int, parts: int
) -> None:
    """y = x * inverse * w. inverse (outer, step) = 1 / the larger of eps and the length along C.

    A part owns some of outer.
    """
    one = x.dtype.type(1)
    for o in range(*span(inverse.size // step, part, parts)):
        inverse[o * step : (o + 1) * step] = 0
        for at in range(o * c * step, (o + 1) * c * step, step):
            add_squares(step, x, at, inverse, o * step)
        inverted(step, inverse, o * step, eps)
        for k in range(c):
            at = (o * c + k) * step
            multiplied(step, x, at, inverse, o * step, y, at, w[k] if w.size else one)


@kernel
def lengths_backward(
    x: Vector,
    dy: Vector,
    w: Vector,
    inverse: Doubles,
    dot: Doubles,
    dx: Vector,
    c: int,
    step: int,
    eps: float,
    part: int,
    parts: int,
) -> None:
    """dx = inverse * (dy * w - z * dot(dy * w, z)) for z = x * inverse; inverse, dot: (outer, step).

    A part owns some of outer.
    """
    one = x.dtype.type(1)
    for o in range(*span(inverse.size // step, part, parts)):
        dot[o * step : (o + 1) * step] = 0
        for k in range(c):
            at = (o * c + k) * step
            add_dots(step, x, at, dy, at, dot, o * step, w[k] if w.size else one)
        for k in range(c):
            at, factor = (o * c + k) * step, w[k] if w.size else one
            pulled_along(step, x, at, dy, at, inverse, o * step, dot, o * step, dx, at, factor, eps)


@summing
def along_inner(x: Vector, dy: Vector, inverse: Doubles) -> float:
    """The sum of dy * x * inverse; all are (step,)."""
    total = 0.0
    for i in range(x.size):
        total += np.float64(dy[i]) * np.float64(x[i]) * inverse[i]
    return total


@kernel
def lengths_factors(
    x: Vector, dy: Vector, inverse: Doubles, dw: Vector, step: int, adding: int, part: int, parts: int
) -> None:
    """dw (C,) = (or +=) the sums of dy * x * inverse; inverse: (outer, step). A part owns some of C."""
    c = dw.size
    for k in range(*span(c, part, parts)):
        total = np.float64(dw[k]) if adding else 0.0
        for o in range(inverse.size // step):
            at = (o * c + k) * step
            total += along_inner(x[at : at + step], dy[at : at + step], inverse[o * step : (o + 1) * step])
        dw[k] = total
