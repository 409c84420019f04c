"""Both gradients of depthwise convolution in one pass: each line of the bottom meets the lines of dy around it once.

Images and filters are as in `depthwise`. Lines of dy lie in scratch, as they are seen, with zeros around them; the
codes of `strip_both` go along a line of the bottom and sum both gradients there.
"""

from __future__ import annotations

from typing import NamedTuple

from netspec.codegen.geometry import STREAM
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Codes, Matrix, Vector
from netspec.codegen.rows import Row, rows
from netspec.codegen.simd import clear_run
from netspec.codegen.strip_both import Around, Bottom, Filters, Sums, call_both
from netspec.codegen.strip_pixels import Sight
from netspec.codegen.tiles import address
from netspec.core.beside import Products
from netspec.kernels.conv_geometry import DepthwiseImages
from netspec.kernels.depthwise import leave_lines, rows_of, sight_of
from netspec.kernels.far import arrive
from netspec.kernels.seen import Held, Leaving, Seen, hold_lines


class BothLines(NamedTuple):
    """The pass: it reads dy and x and writes dx, both (N, lines, columns, C)."""

    images: DepthwiseImages
    rows: Clock  # SourceRows of each line of dx; rows outside the image are among them
    codes: Codes  # for each number of rows that a line meets: of whole strips, and of the last, shorter strip
    strip: int  # columns of a whole strip
    most: int  # strips whose sums are taken in the net's float type
    step: int  # columns of x from one of dy to the next
    first: int  # column of dy at which those begin that the first pixel meets
    gap: int  # columns of zeros between lines of dy
    mode: int  # bits ADD and STREAM
    coded: int  # 1: the codes mask dx and leave its sums


@rows()
def add_doubles(x: Row, y: Row) -> None:
    """y += x, in float64."""
    y.put(y.get() + x.get().double())


@helper
def begin(piece: Vector, near: Vector, both: BothLines, products: Products, part: int) -> None:
    """Set a piece of the weight's gradient to 0, one of the products, and what lies between lines in scratch."""
    clear_run(piece, 0, piece.size)
    c, width = both.images.channels, products.pieces.width
    for i in range(2 * width * part, 2 * width * (part + 1) if both.coded else 0):
        products.pieces.values[i] = 0
    line, gap = (both.images.width + both.gap) * c, both.gap * c
    for at in range(2 * c, near.size - gap + 1, line):
        clear_run(near, at, gap)


@helper
def sums_of(near: Vector, left: Leaving, both: BothLines, sight: Sight) -> Sums:
    """What the codes see, and where they leave the sums of a part's pixels: at the beginning of its scratch."""
    centre = address(left.products.centre, 0) if both.coded else 0
    return Sums(sight, centre, address(near, 0))


@helper
def both_along(
    x: Vector,
    w: Vector,
    dx: Vector,
    piece: Vector,
    near: Vector,
    both: BothLines,
    left: Leaving,
    sums: Sums,
    unit: int,
    around: int,
    part: int,
) -> None:
    """Both gradients along a line of dx; `around` is the address of the first row of dy that it meets, in scratch."""
    g, c, size, o = both.images, both.images.channels, dx.itemsize, 0
    source, values = rows_of(both.rows, unit % g.lines), left.products.pieces.values
    filters, s = source.tap * g.across * c, 2 * left.products.pieces.width * part
    later = 0 if both.mode & STREAM else g.columns * c
    taps = Filters(address(w, filters), address(piece, filters), g.tap_step * g.across * c)
    while o < g.columns:
        some, code = min(both.most, (g.columns - o) // both.strip), both.codes[2 * source.number]
        if some == 0:
            some, code = 1, both.codes[2 * source.number + 1]
        pixel = (unit * g.columns + o) * c
        lines = Around(around + (both.first + o // both.step) * c * size, g.row_step * (g.width + both.gap) * c)
        pixels = Bottom(address(x, pixel), address(dx, pixel), c, g.columns * c, later, both.mode)
        call_both(code, some, lines, taps, pixels, sums)
        if both.coded:
            add_doubles(c, near, 0, values, s)
            add_doubles(c, near, c, values, s + left.products.pieces.width)
        o += some * both.strip


@kernel
def both_gradients(
    x: Vector,
    dy: Vector,
    w: Vector,
    dx: Vector,
    pieces: Matrix,
    both: BothLines,
    seen: Seen,
    left: Leaving,
    part: int,
    parts: int,
) -> None:
    """dx (N, H, W, C) from dy (N, P, Q, C), and pieces[s] (Fh*Fw, C) = the sums of the weight's gradient of a part.

    A part owns lines of dx. dy is seen as `seen` says, x through its lens; a part leaves its own piece.
    """
    g, near, held, piece = both.images, seen.scratch[part], Held(-1, 0, 0), pieces[part]
    begin(piece, near, both, left.products, part)
    first, last = span(g.images * g.lines, part, parts)
    row, gap, lines = g.width * g.channels, both.gap * g.channels, near[2 * g.channels :]
    sums, leaving, done = sums_of(near, left, both, sight_of(seen.lens)), left.products.pieces.values.size, first
    for unit in range(first, last):
        source = rows_of(both.rows, unit % g.lines)
        if source.number:
            below = source.row + (source.number - 1) * g.row_step + 1
            image, top = unit // g.lines, source.row
            held = hold_lines(dy, g.height, row, g.channels, seen.how, lines, held, image, top, below, gap)
        around = address(lines, (source.row - held.low) * (row + gap) + gap)
        both_along(x, w, dx, piece, near, both, left, sums, unit, around, part)
        if leaving and not both.coded:
            done = leave_lines(dx, g, left, part, done, unit + 1, first, last)
    arrive(both.mode & STREAM)
