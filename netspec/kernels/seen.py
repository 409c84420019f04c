"""Lines of images seen through a Lens or a Pull (`core/beside.py`), in scratch near the core that reads them.

Images are flat: (N, height, width, C), their pixels `pitch` values apart; in scratch they lie side by side. `seen` is a
Pull. One without slopes but with factors stands for its lens alone; one with neither sees values as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from netspec.codegen.kernel import helper
from netspec.codegen.kinds import Matrix, Vector
from netspec.codegen.rows import Real, Row, Value, Whole, rows, times
from netspec.codegen.simd import clear_run, copy_run
from netspec.core.beside import Lens, Pieces, Products, Pull
from netspec.kernels.beside import leave_moments, leave_products

NARROW = 128
"""Channels up to which a line is seen some channels at a time; the pixels of wider lines are seen one by one."""


class Seen(NamedTuple):
    """How images are seen: through a pull, for which scratch holds their lines; or through a lens by the codes."""

    how: Pull
    scratch: Matrix  # (parts, values of the lines)
    lens: Lens


class Leaving(NamedTuple):
    """The sums that are left of the pixels that are written, in one piece for each part: moments, or products."""

    moments: Pieces
    products: Products


class Held(NamedTuple):
    """The lines of an image that scratch holds: from `low` to one before `high`."""

    image: int
    low: int
    high: int


@rows(group=2)
def scale_shift_pixels(
    x: Row, factor: Row, offset: Row, y: Row, low: Real, number: Whole, pitch: Whole, out_pitch: Whole
) -> None:
    """y = x * factor + offset, at least `low`, for a number of pixels."""
    slope, shift = factor.get(), offset.get()
    for i in times(number):
        value = x.get(i * pitch) * slope + shift
        y.put(low.where(value < low, value), i * out_pitch)


def pulled(x: Row, dy: Row, low: Real, *coefficients: Row) -> Callable[[Whole, Whole], Value]:
    """What sees a vector of dy, at places of x and dy, through a pull: of_dy * dy - of_x * (x - centre) - shift.

    dy = 0 where x * factor + offset <= low.
    """
    slope, off, mean, by_dy, by_x, less = (row.get() for row in coefficients)

    def see(place: Whole, diff_place: Whole) -> Value:
        value = x.get(place)
        diff = dy.get(diff_place).cleared(value * slope + off <= low)
        return by_dy * diff - (by_x * (value - mean) + less)

    return see


@rows(group=2)
def pull_back_pixels(
    x: Row,
    dy: Row,
    factor: Row,
    offset: Row,
    centre: Row,
    of_dy: Row,
    of_x: Row,
    shift: Row,
    dx: Row,
    low: Real,
    number: Whole,
    x_pitch: Whole,
    pitch: Whole,
    out_pitch: Whole,
) -> None:
    """dx = dy as `pulled` sees it, for a number of pixels."""
    see = pulled(x, dy, low, factor, offset, centre, of_dy, of_x, shift)
    for i in times(number):
        dx.put(see(i * x_pitch, i * pitch), i * out_pitch)


@helper
def pull_back(
    count: int,
    pull: Pull,
    x_at: int,
    x_step: int,
    dy: Vector,
    at: int,
    step: int,
    c: int,
    near: Vector,
    to: int,
    out_step: int,
    number: int,
) -> None:
    """near = channels c and following, `count` of them, of `number` pixels of dy, as they are seen through a pull."""
    x, lens, centre, of_dy, of_x, shift = pull.x, pull.lens, pull.centre, pull.of_dy, pull.of_x, pull.shift
    slopes = (lens.factor, c, lens.offset, c, centre, c, of_dy, c, of_x, c, shift, c)
    pull_back_pixels(count, x, x_at, dy, at, *slopes, near, to, lens.low, number, x_step, step, out_step)


@rows(group=2)
def pull_back_line(
    x: Row,
    dy: Row,
    factor: Row,
    offset: Row,
    centre: Row,
    of_dy: Row,
    of_x: Row,
    shift: Row,
    dx: Row,
    low: Real,
    number: Whole,
    x_pitch: Whole,
    pitch: Whole,
    out_pitch: Whole,
    ahead: Whole,
) -> None:
    """As `pull_back_pixels`, and fetches the pixels that lie `ahead` pixels behind those."""
    see = pulled(x, dy, low, factor, offset, centre, of_dy, of_x, shift)
    for i in times(number):
        x.prefetch((i + ahead) * x_pitch)
        dy.prefetch((i + ahead) * pitch)
        dx.put(see(i * x_pitch, i * pitch), i * out_pitch)


@helper
def is_seen(seen: Pull) -> bool:
    """Whether values are seen as others than they are."""
    return seen.of_dy.size > 0 or seen.lens.factor.size > 0


@helper
def see_pixels(
    x: Vector, pitch: int, pixel: int, number: int, c: int, seen: Pull, near: Vector, to: int, ahead: int = -1
) -> None:
    """near[to:] = `number` pixels of c channels of x, from its pixel number `pixel` on.

    Behind a pull, those `ahead` pixels behind them are fetched; -1 stands for `number`, if these are seen next.
    """
    if not is_seen(seen):
        if pitch == c:
            copy_run(x, pixel * pitch, near, to, number * c)
        else:
            for i in range(number):
                copy_run(x, (pixel + i) * pitch, near, to + i * c, c)
        return
    lens, some = seen.lens, number if c <= NARROW else 1
    for i in range(0, number, some):
        at, out = (pixel + i) * pitch, to + i * c
        if seen.of_dy.size:
            pull_back_line(
                c,
                seen.x,
                (pixel + i) * seen.pitch,
                x,
                at,
                lens.factor,
                0,
                lens.offset,
                0,
                seen.centre,
                0,
                seen.of_dy,
                0,
                seen.of_x,
                0,
                seen.shift,
                0,
                near,
                out,
                lens.low,
                some,
                seen.pitch,
                pitch,
                c,
                number if ahead < 0 else ahead,
            )
        else:
            scale_shift_pixels(c, x, at, lens.factor, 0, lens.offset, 0, near, out, lens.low, some, pitch, c)


@helper
def hold_lines(
    x: Vector,
    height: int,
    line: int,
    c: int,
    seen: Pull,
    near: Vector,
    held: Held,
    image: int,
    first: int,
    last: int,
    gap: int = 0,
) -> Held:
    """See lines `first` to `last` - 1 of an image, each of `line` values; returns what `near` holds then.

    Lines that it holds already stay. If there is no room behind them, they move to its beginning. `gap` values lie
    before and behind each line; lines outside the image are zeros.
    """
    low, high, pitch = held.low, held.high, line + gap
    if image != held.image or first < low or first >= high:
        low, high = first, first
    if (last - low) * pitch + gap > near.size:
        copy_run(near, (first - low) * pitch + gap, near, gap, (high - first) * pitch - gap)
        low = first
    for row in range(high, last):
        to = (row - low) * pitch + gap
        if 0 <= row < height:
            see_pixels(x, c, (image * height + row) * (line // c), line // c, c, seen, near, to)
        else:
            clear_run(near, to, line)
    return Held(image, low, max(high, last))


@helper
def leave(y: Vector, pitch: int, c: int, pixel: int, number: int, left: Leaving, piece: int, first: bool) -> None:
    """Add `number` pixels of y, from its pixel number `pixel` on, to a piece of the moments or products."""
    most = min(64, max(16, 8192 // c))
    for i in range(0, number, most):
        some, at, begins = min(most, number - i), (pixel + i) * pitch, first and i == 0
        leave_moments(y, at, pitch, some, 0, c, left.moments, piece, begins)
        leave_products(y, at, pitch, pixel + i, some, 0, c, left.products, piece, begins)
