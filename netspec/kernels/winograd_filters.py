"""Filters to the frequencies of Winograd's filtering, and frequencies to filters.

Filters lie tap by tap, while transforms and products run along filters or channels: squares of a vector's width are
turned in registers on the way. Letters as in `winograd`.
"""

from __future__ import annotations

from netspec.codegen.geometry import FILTERS_TURNED, PLACES
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Doubles, Matrix, Vector
from netspec.codegen.simd import add_run, lanes_of
from netspec.codegen.tiles import address
from netspec.codegen.transform_squares import Places, Planes, Span
from netspec.codegen.transforms import transform
from netspec.codegen.turn import turn_tile, turn_tile_past
from netspec.kernels.far import arrive, is_far_gradient
from netspec.kernels.update import squares as squares_of
from netspec.kernels.winograd_geometry import FrequencyFilters


@helper
def turn(x: Vector, x0: int, x_step: int, rows: int, columns: int, y: Vector, y0: int, y_step: int) -> None:
    """y[y0 + j*y_step + i] = x[x0 + i*x_step + j] for i < rows, j < columns."""
    lanes = lanes_of(x)
    for i in range(0, rows, lanes):
        for j in range(0, columns, lanes):
            turn_tile(x, x0 + i * x_step + j, x_step, y, y0 + j * y_step + i, y_step, rows - i, columns - j)


@helper
def tap_places(places: Clock, near: Vector, area: int, lanes: int, turned: int) -> None:
    """places[: area] = the addresses of a filter's taps in scratch, a vector each; turned, the last comes first."""
    for t in range(area):
        places[t] = address(near, (area - 1 - t if turned else t) * lanes)


@helper
def pack(
    w: Vector,
    near: Vector,
    places: Clock,
    filters: FrequencyFilters,
    group: int,
    first: int,
    value: int,
    last: int,
    to: int,
    plane: int,
) -> None:
    """The frequencies of the panel of a group's columns that begins with `first`, for the values `value` to `last`.

    There are FILTERS_TURNED values at most. The rows of the first frequency lie at the address `to`, the next one's
    `plane` values on. near: room for filters, places: those of their taps in it.
    """
    r, turned, area, lanes = filters.channels, filters.turned, filters.area, lanes_of(w)
    m = filters.filters // filters.groups
    columns = r if turned else m
    for j in range(0, min(filters.panel, columns - first), lanes):
        column = first + j
        rows = min(lanes, columns - column)
        if turned:
            for v in range(value, last):
                at = ((group * m + v) * r + column) * area
                turn(w, at, area, rows, area, near, (v - value) * area * lanes, lanes)
        else:
            at = ((group * m + column) * r + value) * area
            turn(w, at, r * area, rows, (last - value) * area, near, 0, lanes)
        planes = Planes(to + j * w.itemsize, filters.panel, plane)
        transform(filters.code, Places(address(places, 0), 0, area * lanes), planes, Span(last - value, 0, 0, 0, 0))


@kernel
def filters_to_frequencies(
    w: Vector, packed: Vector, scratch: Matrix, places: Clock, filters: FrequencyFilters, part: int, parts: int
) -> None:
    """w: (K, R, taps, taps), packed: its frequencies for products.

    Where `filters.turned`, for the bottom's diff, values are a group's filters, columns its channels, and the filter is
    turned about. scratch: (parts, FILTERS_TURNED filters of vectors), places: (parts * PLACES,). A part owns values of
    column blocks.
    """
    r, m, panel = filters.channels, filters.filters // filters.groups, filters.panel
    near, own = scratch[part], places[part * PLACES :]
    values, columns = (m, r) if filters.turned else (r, m)
    blocks, pieces = (columns + panel - 1) // panel, (values + FILTERS_TURNED - 1) // FILTERS_TURNED
    tap_places(own, near, filters.area, lanes_of(w), filters.turned)
    for unit in range(*span(filters.groups * blocks * pieces, part, parts)):
        block, piece = unit // pieces, unit % pieces
        value, last = span(values, piece, pieces)
        to = address(packed, (block * values + value) * panel)
        pack(w, near, own, filters, block // blocks, block % blocks * panel, value, last, to, filters.plane)


@helper
def unpack(
    sums: int,
    plane: int,
    dw: Vector,
    near: Vector,
    places: Clock,
    filters: FrequencyFilters,
    group: int,
    column: int,
    value: int,
    last: int,
    add: int,
) -> None:
    """The filters of a vector of a group's columns, for the values `value` to `last`, from their frequencies.

    There are FILTERS_TURNED values at most; their rows of `filters.panel` values lie at the address `sums`, those of
    the next frequency `plane` values on. near: room for twice so many filters, places: those of their taps in it. A
    kernel part ends with `arrive`, as what is far is written past the caches.
    """
    r, area, lanes = filters.channels, filters.area, lanes_of(dw)
    m, spare, run = filters.filters // filters.groups, FILTERS_TURNED * area, (last - value) * area
    planes = Planes(sums, filters.panel, plane)
    transform(filters.code, Places(address(places, 0), 0, area * lanes), planes, Span(last - value, 0, 0, 0, 0))
    at, columns = ((group * m + column) * r + value) * area, min(lanes, m - column)
    if add:
        turn(near, 0, lanes, run, columns, near, spare * lanes, spare)
        for i in range(columns):
            add_run(near, spare * (lanes + i), dw, at + i * r * area, run)
    else:
        far = is_far_gradient(dw)
        for i in range(0, run, lanes):
            turn_tile_past(near, i * lanes, lanes, dw, at + i, r * area, run - i, columns, far)


@kernel
def frequencies_to_filters(
    piece: Vector,
    dw: Vector,
    scratch: Matrix,
    places: Clock,
    squares: Doubles,
    filters: FrequencyFilters,
    add: int,
    part: int,
    parts: int,
) -> None:
    """dw (K, R, taps, taps) = (with `add`: +=) the frequencies `piece`, transformed back.

    scratch: (parts, twice FILTERS_TURNED filters of vectors), places: (parts * PLACES,). A part owns channels of all
    filters. squares: (at least parts,) or empty, then squares[part] = the sum of squares of what the part writes; a
    group's filters fill vectors, and nothing is added.
    """
    r, line, plane = filters.channels, filters.panel, filters.plane
    lanes, m, near, own = lanes_of(dw), filters.filters // filters.groups, scratch[part], places[part * PLACES :]
    pieces, total = (r + FILTERS_TURNED - 1) // FILTERS_TURNED, 0.0
    tap_places(own, near, filters.area, lanes, 0)
    for unit in range(*span(filters.groups * pieces, part, parts)):
        group = unit // pieces
        value, last = span(r, unit % pieces, pieces)
        for j in range(0, m, lanes):
            sums = address(piece, (group * r + value) * line + j)
            unpack(sums, plane, dw, near, own, filters, group, j, value, last, add)
            if squares.size:
                total += squares_of(near[: (last - value) * filters.area * lanes])
    arrive(is_far_gradient(dw))
    if squares.size:
        squares[part] = total
