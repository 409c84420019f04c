"""Winograd's products of many channels for few tiles: filters, and their gradient, only lie as filters.

Their frequencies, four times as many values, are there a block at a time, and multiplied, or summed, while they are
near: for so few tiles it would take longer to write them, and to read them again, than to read the tiles once for every
block. Letters and layout as in `winograd`.
"""

from __future__ import annotations

from netspec.codegen.geometry import DEEP, FILTERS_TURNED, PLACES
from netspec.codegen.kernel import kernel, span
from netspec.codegen.kinds import Doubles, Matrix, Vector
from netspec.codegen.simd import lanes_of
from netspec.codegen.tiles import address
from netspec.kernels.far import arrive, is_far_gradient
from netspec.kernels.update import squares as squares_of
from netspec.kernels.winograd import multiply_block
from netspec.kernels.winograd_filters import pack, tap_places, unpack
from netspec.kernels.winograd_geometry import (
    Chunk,
    FilterBlock,
    FilterScratch,
    FrequencyFilters,
    FrequencyProducts,
    Tiles,
)
from netspec.kernels.winograd_gradient import sum_block

WIDE = 2
"""Panels of a block."""


@kernel
def winograd_multiply_filters(
    near: Vector,
    w: Vector,
    far: Vector,
    packed: Matrix,
    scratch: FilterScratch,
    filters: FrequencyFilters,
    product: FrequencyProducts,
    chunk: Chunk,
    part: int,
    parts: int,
) -> None:
    """far[f] = near[f] times the frequencies of w. A part owns panels of the filters.

    near, far: the planes of a chunk, of C and K channels; w: as in `filters_to_frequencies`; packed: (parts,
    frequencies of `filters.plane` values), WIDE panels of DEEP rows.
    """
    own, turning, places = packed[part], scratch.turning[part], scratch.places[part * PLACES :]
    r, panel = product.channels, product.panel
    panels, offsets = (product.filters + panel - 1) // panel, address(scratch.table, 0)
    blocks, count = (panels + WIDE - 1) // WIDE, chunk.last - chunk.first
    tap_places(places, turning, filters.area, lanes_of(w), filters.turned)
    for unit in range(*span(filters.groups * blocks, part, parts)):
        group, number = unit // blocks, unit % blocks
        first, last = number * WIDE, min(number * WIDE + WIDE, panels)
        for begin in range(0, r, DEEP):
            end = min(begin + DEEP, r)
            for p in range(first, last):
                for v in range(begin, end, FILTERS_TURNED):
                    to = address(own, ((p - first) * DEEP + v - begin) * panel)
                    some = min(v + FILTERS_TURNED, end)
                    pack(w, turning, places, filters, group, p * panel, v, some, to, filters.plane)
            block = FilterBlock(group, first, last, begin, end, DEEP, filters.plane, 0)
            for f in range(product.frequencies):
                multiply_block(near, address(own, 0), far, offsets, product, block, Tiles(f, count, chunk.room))


@kernel
def winograd_gradient_filters(
    near: Vector,
    far: Vector,
    dw: Vector,
    sums: Matrix,
    squares: Doubles,
    scratch: FilterScratch,
    filters: FrequencyFilters,
    product: FrequencyProducts,
    chunk: Chunk,
    add: int,
    part: int,
    parts: int,
) -> None:
    """dw (K, R, taps, taps) = (with `add`: +=) the sums over a chunk's tiles. A part owns channels.

    near, far: the planes of a chunk, of C and K channels; sums: (parts, frequencies of `filters.plane` values), DEEP
    rows of WIDE panels; squares: as in `frequencies_to_filters`.
    """
    own, turning, places = sums[part], scratch.turning[part], scratch.places[part * PLACES :]
    r, m, panel, lanes = product.channels, product.filters, product.panel, lanes_of(dw)
    panels, pieces, offsets = (m + panel - 1) // panel, (r + DEEP - 1) // DEEP, address(scratch.table, 0)
    count, plane, line, total = chunk.last - chunk.first, filters.plane, filters.panel, 0.0
    tap_places(places, turning, filters.area, lanes, 0)
    for unit in range(*span(filters.groups * pieces, part, parts)):
        group, begin = unit // pieces, unit % pieces * DEEP
        end = min(begin + DEEP, r)
        for first in range(0, panels, WIDE):
            last = min(first + WIDE, panels)
            block = FilterBlock(group, first, last, begin, end, DEEP, plane, 1)
            for f in range(product.frequencies):
                to = address(own, f * plane)
                sum_block(near, far, to, line, offsets, product, block, Tiles(f, count, chunk.room), 0)
            for v in range(begin, end, FILTERS_TURNED):
                some = min(v + FILTERS_TURNED, end)
                for j in range(first * panel, min(last * panel, m), lanes):
                    at = address(own, (v - begin) * line + j - first * panel)
                    unpack(at, plane, dw, turning, places, filters, group, j, v, some, add)
                    if squares.size:
                        total += squares_of(turning[: (some - v) * filters.area * lanes])
    arrive(is_far_gradient(dw))
    if squares.size:
        squares[part] = total
