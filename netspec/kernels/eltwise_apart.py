"""A sum of two blobs at the pixels that are read: every so many lines and columns, which lie side by side in its top.

Bottoms and their diffs are images (N, height, width, C); the top y and its diff dy are (N, lines, columns, C), the
pixels of `Apart`. The diffs of the bottoms are 0 at all other pixels. A part owns lines of the top, and in the bottoms
those down to the next.
"""

from __future__ import annotations

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Array4, Vector
from netspec.codegen.rows import Real, Row, Whole, rows, times
from netspec.core.beside import Lens, Products
from netspec.kernels.beside import leave_products
from netspec.kernels.conv_geometry import Apart
from netspec.kernels.eltwise import ADDS, STAYS, Share, Stretch, take_more, weigh_pixels
from netspec.kernels.far import arrive, is_far
from netspec.kernels.pointwise import pixel_at, region_at


@rows(group=4)
def take_apart(
    dy: Row,
    y: Row,
    dx: Row,
    x: Row,
    factor: Real,
    low: Real,
    number: Whole,
    step: Whole,
    pitch: Whole,
    x_pitch: Whole,
) -> None:
    """dx = factor * dy, but 0 where y <= low, at `number` pixels, `step` values apart, in dx `pitch` values.

    Meanwhile x is prefetched, whose pixels are `x_pitch` values apart.
    """
    for i in times(number):
        at = i * step
        x.prefetch(i * x_pitch)
        dx.put(factor * dy.get(at).cleared(y.get(at) <= low), i * pitch)


@rows(group=4)
def clear_apart(dx: Row, number: Whole, pitch: Whole, far: Whole) -> None:
    """dx = 0, at `number` pixels, `pitch` values apart."""
    for i in times(number):
        dx.stream(dx.fill(0), i * pitch, far)


@kernel
def weighted_sum_apart(
    a: Vector,
    b: Vector,
    y: Array4,
    lens_a: Lens,
    lens_b: Lens,
    apart: Apart,
    of_a: float,
    of_b: float,
    low: float,
    part: int,
    parts: int,
) -> None:
    """y = of_a * a + of_b * b, seen through lenses; b has a lens only where a has one."""
    c, tops = y.shape[3], y.reshape(y.size)
    far, columns = is_far(tops), apart.columns
    for line in range(*span(y.shape[0] * y.shape[1], part, parts)):
        pixel = pixel_at(line * columns, apart)
        run = Stretch(pixel * c, line * columns * c, columns, apart.stride_x * c, c)
        weigh_pixels(a, b, tops, lens_a, lens_b, of_a, of_b, low, run, c, far)
    arrive(far)


@helper
def spread_line(dy: Vector, y: Vector, share: Share, low: float, line: int, apart: Apart, c: int, far: int) -> None:
    """Write a line of dy to a bottom's diff, and 0 between its pixels and down to the next line.

    Where dy is added, only the line's own pixels change.
    """
    columns, wide, at = apart.columns, apart.stride_x, line * apart.columns * c
    pixel, high, asked = pixel_at(line * columns, apart), region_at(line * columns, apart)[0], share.products
    to, size = pixel * c, apart.width * c
    if share.mode == ADDS:
        for j in range(columns):
            take_more(c, dy, at + j * c, y, at + j * c, share.dx, to + j * wide * c, share.factor, low)
        return
    if asked.pieces.values.size:
        x, x_at, x_pitch = asked.x, pixel * asked.pitch, wide * asked.pitch
    else:
        x, x_at, x_pitch = dy, at, c
    take_apart(c, dy, at, y, at, share.dx, to, x, x_at, share.factor, low, columns, c, wide * c, x_pitch)
    for j in range(1, wide):
        clear_apart(c, share.dx, to + j * c, (apart.width - j + wide - 1) // wide, wide * c, far)
    for i in range(1, high):
        clear_apart(size, share.dx, to + i * size, 1, 0, far)


@helper
def leave_line(share: Share, line: int, apart: Apart, c: int, part: int, new: bool) -> None:
    """Leave the products of a line of a bottom's diff, which is 0 but for dy's pixels; where dy was added, of all."""
    pixel, wide, asked = pixel_at(line * apart.columns, apart), apart.stride_x, share.products
    if share.mode == ADDS:
        number = region_at(line * apart.columns, apart)[0] * apart.width
        leave_products(share.dx, pixel * c, c, pixel, number, 0, c, asked, part, new)
    elif asked.pieces.values.size:
        x = asked.x[pixel * asked.pitch :]
        own = Products(x, asked.pitch * wide, asked.lens, asked.centre, asked.pieces)
        leave_products(share.dx, pixel * c, wide * c, 0, apart.columns, 0, c, own, part, new)


@helper
def hand_line(
    dy: Vector, y: Vector, share: Share, low: float, line: int, apart: Apart, c: int, part: int, new: bool, far: int
) -> None:
    """Give a bottom its share of a line of dy, and leave its products; with `new` they begin a piece."""
    if share.mode != STAYS:
        spread_line(dy, y, share, low, line, apart, c, far)
    leave_line(share, line, apart, c, part, new)


@kernel
def passed_apart(dy: Array4, y: Vector, a: Share, b: Share, apart: Apart, low: float, part: int, parts: int) -> None:
    """Two bottoms get their shares of dy where y > low, and their products are left.

    A dx that `STAYS` is the one before it; or it is empty, and stands for a bottom that gets nothing.
    """
    c, diffs = dy.shape[3], dy.reshape(dy.size)
    first, last = span(dy.shape[0] * dy.shape[1], part, parts)
    far = is_far(a.dx)
    for line in range(first, last):
        hand_line(diffs, y, a, low, line, apart, c, part, line == first, far)
        hand_line(diffs, y, b, low, line, apart, c, part, line == first, far)
    if first == last:  # a piece without pixels
        leave_products(a.dx, 0, c, 0, 0, 0, c, a.products, part, True)
        leave_products(b.dx, 0, c, 0, 0, 0, c, b.products, part, True)
    arrive(far)
