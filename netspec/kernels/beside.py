"""The work of a BatchNorm in other kernels, on a few pixels while they are near: see `core/beside.py`.

Rows are `count` channels of a pixel, from channel c on. Sums of a few rows are taken in the net's float type, then in
float64; a piece belongs to one part, which adds its rows in order, so that bits do not depend on threads.

Pixels of a diff may wait for this in scratch; then they are moved, in the same pass, to the blob that they belong to.
"""

from __future__ import annotations

from typing import NamedTuple

from netspec.codegen.kernel import helper
from netspec.codegen.kinds import Doubles, Vector
from netspec.codegen.rows import Real, Row, Whole, rows, times
from netspec.core.beside import Pieces, Products
from netspec.kernels.norm import add_moments, centre
from netspec.kernels.totals import Totals


class Place(NamedTuple):
    """Where pixels are moved."""

    y: Vector
    at: int
    pitch: int  # from one pixel to the next
    far: int  # whether they are written past the caches


@rows(group=4)
def mask_and_add(
    x: Row,
    dy: Row,
    dx: Row,
    centre: Row,
    factor: Row,
    offset: Row,
    s: Row,
    q: Row,
    low: Real,
    number: Whole,
    pitch: Whole,
    diff_pitch: Whole,
    out_pitch: Whole,
    far: Whole,
) -> None:
    """dx = dy, or 0 where x * factor + offset <= low; s += the sum of dx, q += that of dx * (x - centre)."""
    mean, slope, shift, totals = centre.get(), factor.get(), offset.get(), Totals(x)
    for i in times(number):
        value = x.get(i * pitch)
        diff = dy.get(i * diff_pitch).cleared(value * slope + shift <= low)
        dx.stream(diff, i * out_pitch, far)
        totals.add(diff, diff * (value - mean))
    totals.leave(s, q)


@helper
def clear_sums(values: Doubles, s: int, q: int, count: int) -> None:
    """Set `count` sums from s on, and from q on, to 0."""
    for i in range(count):
        values[s + i] = 0
        values[q + i] = 0


@helper
def leave_moments(
    y: Vector, at: int, pitch: int, number: int, c: int, count: int, moments: Pieces, piece: int, first: bool
) -> None:
    """Add `number` pixels of y, `pitch` values apart, to a piece of the moments; with `first` they begin the piece.

    The part that adds channel 0 counts the pixels.
    """
    if not moments.values.size or not number:
        return
    values, pivot = moments.values, 3 * moments.width * piece + c
    s, q = pivot + moments.width, pivot + 2 * moments.width
    if first:
        centre(count, y, at, values, pivot, number, pitch, y.dtype.type(1.0 / number))
        clear_sums(values, s, q, count)
    if c == 0:
        moments.counts[piece] = number + (0.0 if first else moments.counts[piece])
    add_moments(count, y, at, values, pivot, values, s, values, q, number, pitch)


@helper
def leave_products(
    dy: Vector,
    at: int,
    pitch: int,
    pixel: int,
    number: int,
    c: int,
    count: int,
    products: Products,
    piece: int,
    first: bool,
) -> None:
    """Mask `number` pixels of dy, `pitch` values apart, and add them to a piece; with `first` they begin the piece.

    They are those of the blob from its number `pixel` on.
    """
    if products.pieces.values.size:
        move_products(dy, at, pitch, pixel, number, c, count, products, piece, first, Place(dy, at, pitch, 0))


@helper
def move_products(
    dy: Vector,
    at: int,
    pitch: int,
    pixel: int,
    number: int,
    c: int,
    count: int,
    products: Products,
    piece: int,
    first: bool,
    to: Place,
) -> None:
    """As `leave_products`, of pixels in scratch that are moved."""
    values, s = products.pieces.values, 2 * products.pieces.width * piece + c
    q = s + products.pieces.width
    if first:
        clear_sums(values, s, q, count)
    lens, x = products.lens, pixel * products.pitch + c
    mask_and_add(
        count,
        products.x,
        x,
        dy,
        at,
        to.y,
        to.at,
        products.centre,
        c,
        lens.factor,
        c,
        lens.offset,
        c,
        values,
        s,
        values,
        q,
        lens.low,
        number,
        products.pitch,
        pitch,
        to.pitch,
        to.far,
    )
