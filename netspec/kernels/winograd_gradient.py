"""The weight's gradient by Winograd's minimal filtering: products of both images' frequencies, summed over tiles.

Letters and layout as in `winograd`.
"""

from __future__ import annotations

from netspec.codegen.geometry import ADD
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Matrix, Vector
from netspec.codegen.simd import lanes_of
from netspec.codegen.squares import Rows, multiply_rows
from netspec.codegen.tiles import Left, Result, Right, Sums, address, every_second, multiply, panel_at, rows_at
from netspec.kernels.winograd_geometry import (
    Chunk,
    Chunks,
    FilterBlock,
    FrequencyProducts,
    Through,
    TiledImage,
    Tiles,
    TileScratch,
)
from netspec.kernels.winograd_image import gather, plane_of, row_of, table_of


@helper
def sum_block(
    source: Vector,
    diff: Vector,
    to: int,
    line: int,
    offsets: int,
    product: FrequencyProducts,
    block: FilterBlock,
    tiles: Tiles,
    mode: int,
) -> None:
    """A block (channels, columns) at `to` = (with mode ADD: +=) source^T diff, of one frequency.

    source, diff: the planes of `room` tiles; `line`: values from one channel to the next; offsets: the address of a 0.
    While panels are multiplied, those that come next are prefetched: of the same frequency, or, in a block, of the
    next one.
    """
    r, m, panel, most, size = product.channels, product.filters, product.panel, product.most, source.itemsize
    row_in, row_out = row_of(product.groups * r), row_of(product.groups * m)
    plane_out = plane_of(product.groups * m, tiles.room)
    from_row = tiles.frequency * plane_of(product.groups * r, tiles.room) + block.group * r + block.begin
    diff_row = tiles.frequency * plane_out + block.group * m
    count = block.end - block.begin
    blocks = (count + most - 1) // most
    rows = (count + blocks - 1) // blocks
    more = count - blocks * (rows - 1)
    sums = Sums(1, offsets, tiles.number)
    for p in range(block.first, block.last):
        _, tail, whole = panel_at(p * panel, panel, m, lanes_of(source))
        edge = 0 if whole else most + 1
        b = Right(address(diff, diff_row + p * panel), 0, row_out)
        following = address(diff, diff_row + plane_out + p * panel) if block.afar else b.address + panel * size
        for some in range(blocks):
            v, tall = rows_at(some, rows, more)
            a = Left(address(source, from_row + v), 1, row_in)
            c = Result(to + (v * line + (p - block.first) * panel) * size, line, 0, mode, tail)
            ahead = every_second(following, row_out * size, some)
            multiply(product.codes[edge + tall], sums, a, b, c, ahead)


@helper
def gradient_products(
    source: Vector,
    diff: Vector,
    piece: Vector,
    offsets: int,
    product: FrequencyProducts,
    begin: int,
    end: int,
    count: int,
    room: int,
    mode: int,
) -> None:
    """piece[f, group] (R, M) = (with mode ADD: +=) source[f]^T (R, count) diff[f] (count, M), for some frequencies f.

    source, diff: the planes of `room` tiles; piece: (frequencies, G, R, M). `offsets` is the address of a 0.
    """
    r, m, groups = product.channels, product.filters, product.groups
    panels, line = (m + product.panel - 1) // product.panel, (m + 15) // 16 * 16
    for f in range(begin, end):
        for group in range(groups):
            c = address(piece, f * product.plane + group * r * line)
            if product.most == 0:
                a = address(source, f * plane_of(groups * r, room) + group * r)
                b = address(diff, f * plane_of(groups * m, room) + group * m)
                rows = Rows(a, row_of(groups * r), b, row_of(groups * m), c, line, count, mode)
                multiply_rows(product.codes[0], rows)
            else:
                block = FilterBlock(group, 0, panels, 0, r, r, product.plane, 0)
                sum_block(source, diff, c, line, offsets, product, block, Tiles(f, count, room), mode)


@kernel
def winograd_gradient_tiles(
    x: Vector,
    dy: Vector,
    pieces: Matrix,
    scratch: TileScratch,
    source: TiledImage,
    target: TiledImage,
    product: FrequencyProducts,
    chunks: Chunks,
    seen: Through,
    seen_back: Through,
    part: int,
    parts: int,
) -> None:
    """pieces[part] (frequencies, G, R, M) = the sums over the part's tiles, for few channels.

    x: (N, height, width, C), as it is seen, dy: (N, height, width, K), as it is seen back.
    """
    near, far, outside, own = scratch.near[part], scratch.far[part], scratch.outside, table_of(scratch.table, part)
    offsets, room = address(scratch.table, 0), chunks.room
    begin, end = span(chunks.number, part, parts)
    for number in range(begin, end):
        first, last = span(chunks.tiles, number, chunks.number)
        chunk = Chunk(first, last, room, int(number == begin))
        gather(x, outside[0], own, source, chunk, first, last, near, seen)
        gather(dy, outside[0], own, target, chunk, first, last, far, seen_back)
        mode, count = ADD if number > begin else 0, last - first
        gradient_products(near, far, pieces[part], offsets, product, 0, product.frequencies, count, room, mode)


@kernel
def winograd_gradient_multiply(
    near: Vector,
    far: Vector,
    piece: Vector,
    table: Clock,
    product: FrequencyProducts,
    chunk: Chunk,
    mode: int,
    part: int,
    parts: int,
) -> None:
    """piece (frequencies, G, R, M) = (with mode ADD: +=) the sums over a chunk's tiles, from the planes near and far.

    A part owns frequencies: no partial sums.
    """
    begin, end = span(product.frequencies, part, parts)
    offsets, count = address(table, 0), chunk.last - chunk.first
    gradient_products(near, far, piece, offsets, product, begin, end, count, chunk.room, mode)
