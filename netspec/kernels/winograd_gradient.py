"""The weight's gradient by Winograd's minimal filtering: products of both images' frequencies, summed over tiles.

Letters and layout as in `winograd`.
"""

from __future__ import annotations

from netspec.codegen.geometry import ADD, LINE
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Matrix, Vector
from netspec.codegen.simd import lanes_of
from netspec.codegen.squares import Rows, multiply_rows
from netspec.codegen.tiles import Ahead, Left, Result, Right, Sums, address, multiply, panel_at, rows_at
from netspec.kernels.conv_geometry import Chunk, Chunks, FrequencyProducts, Through, TiledImage, TileScratch
from netspec.kernels.winograd_image import gather, plane_of, row_of, table_of


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
    r, m, panel, most, groups = product.channels, product.filters, product.panel, product.most, product.groups
    lanes, panels = lanes_of(source), (m + panel - 1) // panel
    row_in, row_out = row_of(groups * r), row_of(groups * m)
    plane_in, plane_out = plane_of(groups * r, room), plane_of(groups * m, room)
    line = (m + 15) // 16 * 16
    if most == 0:
        for f in range(begin, end):
            for group in range(groups):
                a = address(source, f * plane_in + group * r)
                b = address(diff, f * plane_out + group * m)
                c = address(piece, f * product.plane + group * r * line)
                multiply_rows(product.codes[0], Rows(a, row_in, b, row_out, c, line, count, mode))
        return
    blocks = (r + most - 1) // most
    rows = (r + blocks - 1) // blocks
    more = r - blocks * (rows - 1)
    sums = Sums(1, offsets, count)
    for f in range(begin, end):
        for gp in range(groups * panels):
            group, p = gp // panels, gp % panels
            _, tail, whole = panel_at(p * panel, panel, m, lanes)
            edge = 0 if whole else most + 1
            b = Right(address(diff, f * plane_out + group * m + p * panel), 0, row_out)
            for block in range(blocks):
                v, tall = rows_at(block, rows, more)
                a = Left(address(source, f * plane_in + group * r + v), 1, row_in)
                c = Result(address(piece, f * product.plane + (group * r + v) * line + p * panel), line, 0, mode, tail)
                ahead = Ahead(b.address + panel * source.itemsize + block * LINE, 0, row_out * source.itemsize)
                multiply(product.codes[edge + tall], sums, a, b, c, ahead)


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
