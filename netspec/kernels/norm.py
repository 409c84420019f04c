"""Normalisation by channels, and factors and constants for each channel.

With channels last, x is (P, C), flat: P pixels of C channels, seen as rows of `width` numbers. A row is one pixel, or R
small pixels, so that width = R*C; P % R pixels may be left for a last, short row. Arrays of that width repeat the
numbers of each channel R times, once for each slot of a row. Sums over a few rows are taken in the net's float type,
then in float64, in pieces that depend on the shapes alone and are added in order.

A `pitch` counts values of x, or of dx, from one row to the next: the width; or more, for a blob inside a wider blob,
whose rows are single pixels.

In the `plane_...` kernels x is (N, C, inner), the width is C, and a part owns channels. An empty array of factors (C,)
stands for 1, of constants for 0.
"""

from __future__ import annotations

import math

from netspec.codegen.geometry import (
    REMEMBERED,
    RUNNING,
    Affine,
    AffineDiffs,
    Known,
    RunningSums,
    Settling,
    Slopes,
    Slots,
    Statistics,
)
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Doubles, Vector
from netspec.codegen.rows import Real, Row, Variable, Whole, rows, times
from netspec.core.beside import Pieces
from netspec.kernels.totals import Totals

BLOCK = 16
"""Rows that are added up before they are added to the float64 sums."""


@rows(group=4)
def add_moments(x: Row, pivot: Row, s: Row, q: Row, number: Whole, width: Whole) -> None:
    """s += the sum of x - pivot over a number of rows, q += that of its square."""
    centre, totals = pivot.get().to(x), Totals(x)
    for i in times(number):
        value = x.get(i * width) - centre
        totals.add(value, value * value)
    totals.leave(s, q)


@rows(group=4)
def add_products(
    x: Row,
    dy: Row,
    centre: Row,
    factor: Row,
    offset: Row,
    s: Row,
    q: Row,
    low: Real,
    number: Whole,
    pitch: Whole,
    width: Whole,
) -> None:
    """s += the sum of dy over a number of rows, q += that of dy * (x - centre).

    Rows of x lie `pitch` apart, those of dy `width`. Where x * factor + offset <= low nothing is added.
    """
    mean, slope, shift, totals = centre.get(), factor.get(), offset.get(), Totals(x)
    for i in times(number):
        value = x.get(i * pitch)
        diff = dy.get(i * width).cleared(value * slope + shift <= low)
        totals.add(diff, diff * (value - mean))
    totals.leave(s, q)


@rows()
def centre(x: Row, pivot: Row, number: Whole, width: Whole, one: Real) -> None:
    """pivot = the mean of a number of rows, in the net's float type; `one` is 1 / number."""
    total = Variable(x.fill(0))
    for i in times(number):
        total.set(total.get() + x.get(i * width) * one)
    pivot.put(total.get().double())


@rows(group=2)
def scale_shift(x: Row, factor: Row, offset: Row, y: Row, low: Real) -> None:
    """y = x * factor + offset, at least `low`."""
    value = x.get() * factor.get() + offset.get()
    y.put(low.where(value < low, value))


@rows(group=2)
def pull_back(
    x: Row, dy: Row, factor: Row, offset: Row, centre: Row, of_dy: Row, of_x: Row, shift: Row, dx: Row, low: Real
) -> None:
    """dx = of_dy * dy - of_x * (x - centre) - shift, with dy = 0 where x * factor + offset <= low."""
    value = x.get()
    diff = dy.get().cleared(value * factor.get() + offset.get() <= low)
    dx.put(of_dy.get() * diff - (of_x.get() * (value - centre.get()) + shift.get()))


@rows(group=2)
def pull_back_onto(
    x: Row, dy: Row, factor: Row, offset: Row, centre: Row, of_dy: Row, of_x: Row, shift: Row, dx: Row, low: Real
) -> None:
    """dx += what `pull_back` writes."""
    value = x.get()
    diff = dy.get().cleared(value * factor.get() + offset.get() <= low)
    dx.put(dx.get() + (of_dy.get() * diff - (of_x.get() * (value - centre.get()) + shift.get())))


@helper
def rows_of(x: Vector, width: int, pitch: int) -> tuple[int, int]:
    """(whole rows, values behind them) of x."""
    number = (x.size + pitch - width) // pitch
    return number, max(0, x.size - number * pitch)


@kernel
def moments(x: Vector, partial: Doubles, width: int, pitch: int, part: int, parts: int) -> None:
    """partial (parts, 3, width) = for each slot of a piece a pivot near its mean, and sums of x - pivot and its square.

    x: (P, C). A part owns rows.
    """
    number, rest = rows_of(x, width, pitch)
    first, last = span(number, part, parts)
    pivot, step = 3 * width * part, BLOCK
    s, q = pivot + width, pivot + 2 * width
    for i in range(s, q + width):
        partial[i] = 0
    about = min(step, last - first)
    centre(width, x, first * pitch, partial, pivot, about, pitch, x.dtype.type(1.0 / about))
    for row in range(first, last, step):
        add_moments(width, x, row * pitch, partial, pivot, partial, s, partial, q, min(step, last - row), pitch)
    if part == parts - 1:
        add_moments(rest, x, x.size - rest, partial, pivot, partial, s, partial, q, 1, pitch)


@helper
def batch_moments(left: Pieces, c: int, pixels: int, mean: Doubles, variance: Doubles) -> None:
    """mean, variance (C,) of the batch, from what `moments` left in values (parts, 3, width), or the layer before.

    Pieces and slots are added in order.
    """
    partial, width = left.values, left.width
    repeats, pieces = width // c, partial.size // (3 * width)
    for i in range(c):
        mean[i] = 0
        variance[i] = 0
    for piece in range(pieces):
        for slot in range(repeats):
            at, count = 3 * width * piece + slot * c, piece_count(left, piece, pieces, slot, repeats, pixels)
            pivot, s = partial[at : at + c], partial[at + width : at + width + c]
            for i in range(c):
                mean[i] += count * pivot[i] + s[i]
    for i in range(c):
        mean[i] /= pixels
    for piece in range(pieces):
        for slot in range(repeats):
            at, count = 3 * width * piece + slot * c, piece_count(left, piece, pieces, slot, repeats, pixels)
            pivot, s = partial[at : at + c], partial[at + width : at + width + c]
            q = partial[at + 2 * width : at + 2 * width + c]
            share = 1.0 / count
            for i in range(c):
                off = s[i] * share
                own = q[i] - s[i] * off
                off += pivot[i] - mean[i]
                variance[i] += (0.0 if own < 0.0 else own) + count * (off * off)
    for i in range(c):
        variance[i] /= pixels


@helper
def piece_count(left: Pieces, piece: int, pieces: int, slot: int, repeats: int, pixels: int) -> float:
    """The number of pixels in a slot of a piece; the last piece has the pixels that do not fill a row."""
    if left.counts.size:
        return left.counts[piece]  # type: ignore[no-any-return]
    first, last = span(pixels // repeats, piece, pieces)
    return 1.0 * (last - first + (1 if piece == pieces - 1 and slot < pixels % repeats else 0))


@kernel
def settle(
    left: Pieces,
    known: Known,
    affine: Affine,
    running: RunningSums,
    batch: Statistics,
    slots: Slots,
    how: Settling,
    part: int,
    parts: int,
) -> None:
    """Statistics (C,) of a batch, and from them the coefficients of its slots (width,). Runs as one part.

    The statistics come from the moments that `moments` or the layer before left, but for those that are known; where
    there are none, `batch` holds mean and variance already. Mode REMEMBERED adds them to the running sums; RUNNING
    takes those of the running sums instead.
    """
    mean, variance, inverse = batch.mean, batch.variance, batch.inverse
    c, width = mean.size, slots.factor.size
    if how.mode == RUNNING:
        share = 1.0 / running.scale[0] if running.scale[0] != 0 else 0.0
        for i in range(c):
            mean[i] = running.mean[i] * share
            variance[i] = running.variance[i] * share if running.scale[0] != 0 else how.first
    else:
        first = known.mean.size
        for i in range(first):
            mean[i] = known.mean[i]
            variance[i] = known.variance[i]
        if left.values.size:
            batch_moments(left, c - first, how.pixels, mean[first:], variance[first:])
    for i in range(c):
        inverse[i] = 1.0 / math.sqrt(variance[i] + how.eps)
        slope = inverse[i] * affine.weight[i] if affine.weight.size else inverse[i]
        shift = (affine.bias[i] if affine.bias.size else 0.0) - mean[i] * slope
        for slot in range(i, width, c):
            slots.factor[slot] = slope
            slots.offset[slot] = shift
            slots.centre[slot] = mean[i]
    if how.mode == REMEMBERED:
        remember(batch, running, how)


@helper
def remember(batch: Statistics, running: RunningSums, how: Settling) -> None:
    """Multiply the running sums (C,) and their scale (1,) by `fraction`, and add those of this batch.

    The batch's variance is over pixels - 1. Guarded, a batch that would make any of them NaN or infinite is left out.
    """
    real, fraction, pixels = running.scale.dtype.type, how.fraction, how.pixels
    unbiased = pixels / (pixels - 1) if pixels > 1 else 1.0
    for c in range(batch.mean.size if how.guarded else 0):
        m = real(fraction * running.mean[c] + batch.mean[c])
        v = real(fraction * running.variance[c] + unbiased * batch.variance[c])
        if not (math.isfinite(m) and math.isfinite(v)):
            return
    for c in range(batch.mean.size):
        running.mean[c] = real(fraction * running.mean[c] + batch.mean[c])
        running.variance[c] = real(fraction * running.variance[c] + unbiased * batch.variance[c])
    running.scale[0] = fraction * running.scale[0] + real(1)


@kernel
def normalise(
    x: Vector, factor: Vector, offset: Vector, y: Vector, low: float, pitch: int, part: int, parts: int
) -> None:
    """y = x * factor + offset, at least `low`. x, y: (P, C), factor, offset: (width,). A part owns rows."""
    width = factor.size
    first, last = span((y.size + width - 1) // width, part, parts)
    for row in range(first, last):
        at = row * width
        scale_shift(min(width, y.size - at), x, row * pitch, factor, 0, offset, 0, y, at, low)


@kernel
def gradient_sums(
    x: Vector,
    dy: Vector,
    centre: Vector,
    factor: Vector,
    offset: Vector,
    partial: Doubles,
    low: float,
    pitch: int,
    part: int,
    parts: int,
) -> None:
    """partial (parts, 2, width) = for each slot of a piece the sums of dy and dy * (x - centre).

    Where x * factor + offset <= low nothing is added. x, dy: (P, C), centre, factor, offset: (width,).
    """
    width = factor.size
    first, last = span(dy.size // width, part, parts)
    s, step = 2 * width * part, BLOCK
    q = s + width
    for i in range(s, s + 2 * width):
        partial[i] = 0
    rest = dy.size % width if part == parts - 1 else 0
    row = first
    while row < last or rest:
        count, number = (width, min(step, last - row)) if row < last else (rest, 1)
        a, b = row * pitch, row * width
        add_products(
            count, x, a, dy, b, centre, 0, factor, 0, offset, 0, partial, s, partial, q, low, number, pitch, width
        )
        row += number
        rest = 0 if count == rest else rest


@helper
def fold(partial: Doubles, width: int, totals: Doubles, products: Doubles) -> None:
    """totals, products (C,) = what `gradient_sums` left in partial (parts, 2, width), pieces in order."""
    c = totals.size
    for i in range(c):
        totals[i] = 0
        products[i] = 0
    for piece in range(partial.size // (2 * width)):
        for slot in range(0, width, c):
            at = 2 * width * piece + slot
            more, beside = partial[at : at + c], partial[at + width : at + width + c]
            for i in range(c):
                totals[i] += more[i]
                products[i] += beside[i]


@kernel
def fold_into(
    partial: Doubles, sums: Doubles, dw: Vector, db: Vector, width: int, add_w: int, add_b: int, part: int, parts: int
) -> None:
    """dw, db (C,) = (with `add_w`, `add_b`: +=) the sums of dy * x and of dy; an empty dw or db is not computed.

    Runs as one part. The sums come from what `gradient_sums` left in partial (parts, 2, width); where that is empty,
    they are in sums (2, C), of dy and of dy * x.
    """
    c = sums.size // 2
    if partial.size:
        fold(partial, width, sums[:c], sums[c:])
    for i in range(dw.size):
        dw[i] = dw[i] + sums[c + i] if add_w else sums[c + i]
    for i in range(db.size):
        db[i] = db[i] + sums[i] if add_b else sums[i]


@kernel
def slopes(
    left: Pieces,
    sums: Doubles,
    w: Vector,
    mean: Doubles,
    inverse: Doubles,
    diffs: AffineDiffs,
    centre: Vector,
    back: Slopes,
    pixels: int,
    fixed: int,
    part: int,
    parts: int,
) -> None:
    """Gradients (C,) of factors and constants, and the coefficients (width,) of the bottom's gradient.

    With these, dx = of_dy * dy - of_x * (x - centre) - shift. They come from sums (2, C) of dy and dy * (x - centre),
    which are those of the products that are left if there are any. w, mean, inverse: (C,), centre: (width,).

    With z = (x - mean) * inverse, the gradient of a factor is the sum of dy * z, that of a constant the sum of dy, and
    dx = inverse * w * (dy - mean(dy) - z * mean(dy * z)). Where mean and variance are `fixed`, dx = inverse * w * dy.
    Runs as one part.
    """
    c, width = mean.size, centre.size
    if left.values.size:
        fold(left.values, left.width, sums[:c], sums[c:])
    for i in range(c):
        total = sums[i]
        products = (sums[c + i] + (centre[i] - mean[i]) * total) * inverse[i]
        slope = inverse[i] * w[i] if w.size else inverse[i]
        if diffs.weight.size:
            diffs.weight[i] = diffs.weight[i] + products if diffs.add_weight else products
        if diffs.bias.size:
            diffs.bias[i] = diffs.bias[i] + total if diffs.add_bias else total
        of = 0.0 if fixed else slope * inverse[i] * products / pixels
        off = 0.0 if fixed else slope * total / pixels + of * (centre[i] - mean[i])
        for slot in range(i, width, c):
            back.of_dy[slot] = slope
            back.of_x[slot] = of
            back.shift[slot] = off


@kernel
def gradient(
    x: Vector,
    dy: Vector,
    slots: Slots,
    back: Slopes,
    dx: Vector,
    low: float,
    pitch: int,
    to_pitch: int,
    add: int,
    part: int,
    parts: int,
) -> None:
    """dx = (with `add`: +=) of_dy * dy - of_x * (x - centre) - shift, with dy = 0 where x * factor + offset <= low.

    x, dy, dx: (P, C), slots, back: (width,). Rows of dx lie `to_pitch` apart. A part owns rows.
    """
    factor, offset, centre = slots.factor, slots.offset, slots.centre
    of_dy, of_x, shift = back.of_dy, back.of_x, back.shift
    width = factor.size
    first, last = span((dy.size + width - 1) // width, part, parts)
    for row in range(first, last):
        a, b, to = row * pitch, row * width, row * to_pitch
        n = min(width, dy.size - b)
        if add:
            pull_back_onto(n, x, a, dy, b, factor, 0, offset, 0, centre, 0, of_dy, 0, of_x, 0, shift, 0, dx, to, low)
        else:
            pull_back(n, x, a, dy, b, factor, 0, offset, 0, centre, 0, of_dy, 0, of_x, 0, shift, 0, dx, to, low)
