"""Filters to the frequencies of Winograd's filtering, and frequencies to filters.

Filters lie tap by tap, while transforms and products run along filters or channels: squares of a vector's width are
turned in registers on the way. Letters as in `winograd`.
"""

from __future__ import annotations

from netspec.codegen.geometry import FILTERS_TURNED, PLACES
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Matrix, Vector
from netspec.codegen.simd import add_run, lanes_of
from netspec.codegen.tiles import address
from netspec.codegen.transform_squares import Places, Planes, Span
from netspec.codegen.transforms import transform
from netspec.codegen.turn import turn_tile
from netspec.kernels.conv_geometry import FrequencyFilters


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


@kernel
def filters_to_frequencies(
    w: Vector, packed: Vector, scratch: Matrix, places: Clock, filters: FrequencyFilters, part: int, parts: int
) -> None:
    """w: (K, R, taps, taps), packed: its frequencies for products.

    Where `filters.turned`, for the bottom's diff, values are a group's filters, columns its channels, and the filter is
    turned about. scratch: (parts, FILTERS_TURNED filters of vectors), places: (parts * PLACES,). A part owns values of
    column blocks.
    """
    r, panel, turned, area = filters.channels, filters.panel, filters.turned, filters.area
    lanes, m, near, own = lanes_of(w), filters.filters // filters.groups, scratch[part], places[part * PLACES :]
    values, columns = (m, r) if turned else (r, m)
    blocks, pieces = (columns + panel - 1) // panel, (values + FILTERS_TURNED - 1) // FILTERS_TURNED
    tap_places(own, near, area, lanes, turned)
    for unit in range(*span(filters.groups * blocks * pieces, part, parts)):
        block, piece = unit // pieces, unit % pieces
        group, first = block // blocks, block % blocks * panel
        value, last = span(values, piece, pieces)
        for j in range(0, min(panel, columns - first), lanes):
            column = first + j
            rows = min(lanes, columns - column)
            if turned:
                for v in range(value, last):
                    at = ((group * m + v) * r + column) * area
                    turn(w, at, area, rows, area, near, (v - value) * area * lanes, lanes)
            else:
                at = ((group * m + column) * r + value) * area
                turn(w, at, r * area, rows, (last - value) * area, near, 0, lanes)
            to = address(packed, (block * values + value) * panel + j)
            planes = Planes(to, panel, filters.plane)
            transform(filters.code, Places(address(own, 0), 0, area * lanes), planes, Span(last - value, 0, 0, 0, 0))


@kernel
def frequencies_to_filters(
    piece: Vector,
    dw: Vector,
    scratch: Matrix,
    places: Clock,
    filters: FrequencyFilters,
    add: int,
    part: int,
    parts: int,
) -> None:
    """dw (K, R, taps, taps) = (with `add`: +=) the frequencies `piece`, transformed back.

    scratch: (parts, twice FILTERS_TURNED filters of vectors), places: (parts * PLACES,). A part owns channels of all
    filters.
    """
    r, area, line = filters.channels, filters.area, filters.panel
    lanes, m, near, own = lanes_of(dw), filters.filters // filters.groups, scratch[part], places[part * PLACES :]
    pieces, spare = (r + FILTERS_TURNED - 1) // FILTERS_TURNED, FILTERS_TURNED * area
    tap_places(own, near, area, lanes, 0)
    for unit in range(*span(filters.groups * pieces, part, parts)):
        group = unit // pieces
        value, last = span(r, unit % pieces, pieces)
        run = (last - value) * area
        for j in range(0, m, lanes):
            planes = Planes(address(piece, (group * r + value) * line + j), line, filters.plane)
            transform(filters.code, Places(address(own, 0), 0, area * lanes), planes, Span(last - value, 0, 0, 0, 0))
            at, columns = ((group * m + j) * r + value) * area, min(lanes, m - j)
            if add:
                turn(near, 0, lanes, run, columns, near, spare * lanes, spare)
                for i in range(columns):
                    add_run(near, spare * (lanes + i), dw, at + i * r * area, run)
            else:
                turn(near, 0, lanes, run, columns, dw, at, r * area)
