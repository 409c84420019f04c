"""Sums, products and maxima of several blobs, two at a time. Every array is flat, (M,), and y may be one of the others.

`low` is a lower bound on y: 0 where a ReLU follows, else NaN, which bounds nothing. The kernels `..._beside` do the
work of BatchNorms beside a sum (`core/beside.py`): blobs are (N, H, W, C), and a part owns pixels.
"""

from __future__ import annotations

from typing import NamedTuple

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Array4, Ints, Vector
from netspec.codegen.rows import Real, Row, Whole, rows, times
from netspec.core.beside import Lens, Pieces, Products
from netspec.kernels.beside import leave_moments, leave_products
from netspec.kernels.far import arrive, is_far

BLOCK, LEAST = 2048, 16
"""Values that are worked on while they are near, and the least number of pixels."""
WIDE = 256
"""Channels from which on pixels are seen one by one, as they lie, instead of a few channels of a block at a time."""
STORES, ADDS, STAYS = 0, 1, 2
"""Modes of a `Share`: written; added to what stands there; the sum's own diff, which holds it already."""


class Share(NamedTuple):
    """What one bottom of a sum gets of the sum's diff dy: dx = (or +=) factor * dy; where it `STAYS`, dx is dy."""

    dx: Vector
    factor: float
    mode: int
    products: Products  # asked of dx


@rows(group=2)
def weigh(a: Row, b: Row, y: Row, of_a: Real, of_b: Real, low: Real) -> None:
    """y = of_a * a + of_b * b."""
    value = of_a * a.get() + of_b * b.get()
    y.put(low.where(value < low, value))


def _seen(x: Real, factor: Real, offset: Real, low: Real) -> Real:
    """x * factor + offset, at least `low`."""
    value = x * factor + offset
    return low.where(value < low, value)


def _expect(a: Row, b: Row, y: Row, at: Whole, to: Whole, far: Whole) -> None:
    """Prefetch what is read and written some time after a place: prefetchers of the CPU stop where a page ends.

    What is far is not read before it is written.
    """
    a.prefetch(at + 2 * BLOCK)
    b.prefetch(at + 2 * BLOCK)
    y.prefetch(to + 2 * BLOCK, unless=far)


@rows(group=4)
def weigh_seen(
    a: Row,
    b: Row,
    y: Row,
    factor: Row,
    offset: Row,
    low_a: Real,
    of_a: Real,
    of_b: Real,
    low: Real,
    number: Whole,
    pitch: Whole,
    out: Whole,
    far: Whole,
) -> None:
    """y = of_a * a + of_b * b, a seen through a lens, over a number of pixels, `pitch` values apart, `out` in y."""
    slope, shift = factor.get(), offset.get()
    for i in times(number):
        at, to = i * pitch, i * out
        _expect(a, b, y, at, to, far)
        value = of_a * _seen(a.get(at), slope, shift, low_a) + of_b * b.get(at)
        y.stream(low.where(value < low, value), to, far)


@rows(group=4)
def weigh_both_seen(
    a: Row,
    b: Row,
    y: Row,
    factor_a: Row,
    offset_a: Row,
    factor_b: Row,
    offset_b: Row,
    low_a: Real,
    low_b: Real,
    of_a: Real,
    of_b: Real,
    low: Real,
    number: Whole,
    pitch: Whole,
    out: Whole,
    far: Whole,
) -> None:
    """y = of_a * a + of_b * b, both seen through lenses, over a number of pixels, `pitch` values apart, `out` in y."""
    slope_a, shift_a, slope_b, shift_b = factor_a.get(), offset_a.get(), factor_b.get(), offset_b.get()
    for i in times(number):
        at, to = i * pitch, i * out
        _expect(a, b, y, at, to, far)
        seen_a, seen_b = _seen(a.get(at), slope_a, shift_a, low_a), _seen(b.get(at), slope_b, shift_b, low_b)
        value = of_a * seen_a + of_b * seen_b
        y.stream(low.where(value < low, value), to, far)


@rows(group=2)
def multiply(a: Row, b: Row, y: Row, low: Real) -> None:
    """y = a * b."""
    value = a.get() * b.get()
    y.put(low.where(value < low, value))


@rows(group=2)
def raised(a: Row, b: Row, y: Row, low: Real) -> None:
    """y = b where b > a, else a."""
    value, more = a.get(), b.get()
    value = more.where(more > value, value)
    y.put(low.where(value < low, value))


@rows()
def raised_by(a: Row, b: Row, y: Row, mask: Row, low: Real, first: Whole, index: Whole) -> None:
    """y = b and mask = `index` where b > a; else y = a, and mask = `first`, or is kept if `first` is -1."""
    value, more = a.get(), b.get()
    larger = more > value
    value = more.where(larger, value)
    y.put(low.where(value < low, value))
    mask.put(index.spread(mask).where(larger, first.spread(mask).where(first.spread(mask) > -1, mask.get())))


@rows(group=2)
def take(dy: Row, y: Row, dx: Row, factor: Real, low: Real) -> None:
    """dx = factor * dy, but 0 where y <= low."""
    dx.put(factor * dy.get().cleared(y.get() <= low))


@rows(group=2)
def take_and_expect(dy: Row, y: Row, dx: Row, x: Row, factor: Real, low: Real, at: Whole) -> None:
    """dx = factor * dy, but 0 where y <= low; x is prefetched from `at` on."""
    x.prefetch(at)
    dx.put(factor * dy.get().cleared(y.get() <= low))


@rows(group=2)
def take_both(dy: Row, y: Row, a: Row, b: Row, of_a: Real, of_b: Real, low: Real) -> None:
    """a = of_a * dy, b = of_b * dy, but 0 where y <= low."""
    value = dy.get().cleared(y.get() <= low)
    a.put(of_a * value)
    b.put(of_b * value)


@rows(group=2)
def take_more(dy: Row, y: Row, dx: Row, factor: Real, low: Real) -> None:
    """dx += factor * dy, but for where y <= low."""
    dx.put(factor * dy.get().cleared(y.get() <= low) + dx.get())


@kernel
def weighted_sum(a: Vector, b: Vector, y: Vector, of_a: float, of_b: float, low: float, part: int, parts: int) -> None:
    """a, b, y: (M,). y = of_a * a + of_b * b."""
    first, last = span(y.size, part, parts)
    weigh(last - first, a, first, b, first, y, first, of_a, of_b, low)


@kernel
def product(a: Vector, b: Vector, y: Vector, low: float, part: int, parts: int) -> None:
    """a, b, y: (M,). y = a * b."""
    first, last = span(y.size, part, parts)
    multiply(last - first, a, first, b, first, y, first, low)


@kernel
def larger(a: Vector, b: Vector, y: Vector, low: float, part: int, parts: int) -> None:
    """a, b, y: (M,). y = b where b > a, else a; nothing is kept for backward."""
    first, last = span(y.size, part, parts)
    raised(last - first, a, first, b, first, y, first, low)


@kernel
def larger_from(
    a: Vector, b: Vector, y: Vector, mask: Ints, low: float, of_a: int, of_b: int, part: int, parts: int
) -> None:
    """y = b and mask = of_b where b > a; else y = a, and mask = of_a, or is kept if of_a is -1.

    a, b, y, mask: (M,).
    """
    first, last = span(y.size, part, parts)
    raised_by(last - first, a, first, b, first, y, first, mask, first, low, of_a, of_b)


@kernel
def passed(dy: Vector, y: Vector, dx: Vector, factor: float, low: float, add: int, part: int, parts: int) -> None:
    """dy, y, dx: (M,). dx = (with `add`: +=) factor * dy, but 0 where y <= low."""
    first, last = span(dx.size, part, parts)
    if add:
        take_more(last - first, dy, first, y, first, dx, first, factor, low)
    else:
        take(last - first, dy, first, y, first, dx, first, factor, low)


@kernel
def passed_to_both(
    dy: Vector, y: Vector, a: Vector, b: Vector, of_a: float, of_b: float, low: float, part: int, parts: int
) -> None:
    """dy, y, a, b: (M,). a = of_a * dy, b = of_b * dy, but 0 where y <= low."""
    first, last = span(dy.size, part, parts)
    take_both(last - first, dy, first, y, first, a, first, b, first, of_a, of_b, low)


@kernel
def quotient(y: Vector, x: Vector, dy: Vector, dx: Vector, part: int, parts: int) -> None:
    """y, x, dy, dx: (M,). dx = y / x * dy: the unstable gradient of a product y, undefined where x is 0."""
    first, last = span(dx.size, part, parts)
    y, x, dy, dx = y[first:last], x[first:last], dy[first:last], dx[first:last]
    for i in range(dx.size):
        dx[i] = y[i] / x[i] * dy[i]


@kernel
def select(mask: Ints, dy: Vector, dx: Vector, index: int, part: int, parts: int) -> None:
    """mask, dy, dx: (M,). dx = dy where mask is index, else 0."""
    zero = dy.dtype.type(0)
    first, last = span(dx.size, part, parts)
    mask, dy, dx = mask[first:last], dy[first:last], dx[first:last]
    for i in range(dx.size):
        dx[i] = dy[i] if mask[i] == index else zero


class Stretch(NamedTuple):
    """Pixels of a sum's bottoms, and where those of its top lie."""

    at: int  # the first value in the bottoms
    to: int  # and in the top
    number: int
    pitch: int  # from one pixel to the next in the bottoms
    out: int  # and in the top


@helper
def weigh_pixels(
    a: Vector,
    b: Vector,
    y: Vector,
    lens_a: Lens,
    lens_b: Lens,
    of_a: float,
    of_b: float,
    low: float,
    run: Stretch,
    c: int,
    far: int,
) -> None:
    """y = of_a * a + of_b * b, seen through lenses, over a run of pixels of c channels.

    b has a lens only where a has one.
    """
    fa, oa, fb, ob = lens_a.factor, lens_a.offset, lens_b.factor, lens_b.offset
    if not fa.size and run.pitch == run.out == c:
        weigh(run.number * c, a, run.at, b, run.at, y, run.to, of_a, of_b, low)
        return
    some = run.number if fb.size or (fa.size and c < WIDE) else 1
    for i in range(0, run.number, some):
        at, to = run.at + i * run.pitch, run.to + i * run.out
        if fb.size:
            weigh_both_seen(
                c,
                a,
                at,
                b,
                at,
                y,
                to,
                fa,
                0,
                oa,
                0,
                fb,
                0,
                ob,
                0,
                lens_a.low,
                lens_b.low,
                of_a,
                of_b,
                low,
                some,
                run.pitch,
                run.out,
                far,
            )
        elif fa.size:
            weigh_seen(c, a, at, b, at, y, to, fa, 0, oa, 0, lens_a.low, of_a, of_b, low, some, run.pitch, run.out, far)
        else:
            weigh(c, a, at, b, at, y, to, of_a, of_b, low)


@kernel
def weighted_sum_beside(
    a: Vector,
    b: Vector,
    y: Array4,
    lens_a: Lens,
    lens_b: Lens,
    moments: Pieces,
    of_a: float,
    of_b: float,
    low: float,
    part: int,
    parts: int,
) -> None:
    """y = of_a * a + of_b * b, seen through lenses; leaves the moments of y. b has a lens only where a has one.

    y is far only where no moments are left: else it is read again at once.
    """
    c, tops = y.shape[3], y.reshape(y.size)
    (first, last), step = span(y.size // c, part, parts), max(LEAST, BLOCK // c)
    far = 0 if moments.values.size else is_far(tops)
    for pixel in range(first, last, step):
        number, at = min(step, last - pixel), pixel * c
        weigh_pixels(a, b, tops, lens_a, lens_b, of_a, of_b, low, Stretch(at, at, number, c, c), c, far)
        leave_moments(tops, at, c, number, 0, c, moments, part, pixel == first)
    arrive(far)


@helper
def hand(
    dy: Vector, y: Vector, share: Share, low: float, pixel: int, number: int, c: int, part: int, new: bool
) -> None:
    """Give a bottom its share of `number` pixels of dy, and leave its products; with `new` they begin a piece."""
    at = pixel * c
    if share.mode == ADDS:
        take_more(number * c, dy, at, y, at, share.dx, at, share.factor, low)
    elif share.mode == STORES and share.products.pieces.values.size:
        x, x_at = share.products.x, pixel * share.products.pitch
        take_and_expect(number * c, dy, at, y, at, share.dx, at, x, 0, share.factor, low, x_at)
    elif share.mode == STORES:
        take(number * c, dy, at, y, at, share.dx, at, share.factor, low)
    leave_products(share.dx, at, c, pixel, number, 0, c, share.products, part, new)


@kernel
def passed_beside(dy: Array4, y: Vector, a: Share, b: Share, low: float, part: int, parts: int) -> None:
    """Two bottoms get their shares of dy where y > low, and their products are left.

    An empty dx that `STAYS` stands for a bottom that gets nothing.
    """
    c, diffs = dy.shape[3], dy.reshape(dy.size)
    (first, last), step = span(dy.size // c, part, parts), max(LEAST, BLOCK // c)
    for pixel in range(first, last, step):
        number = min(step, last - pixel)
        hand(diffs, y, a, low, pixel, number, c, part, pixel == first)
        hand(diffs, y, b, low, pixel, number, c, part, pixel == first)
