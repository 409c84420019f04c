"""Convolution at stride 1 by Winograd's minimal filtering: few products for many pixels of the result.

F(4x4, 3x3): every 4 x 4 pixels of the result come from a 6 x 6 tile of the image by 36 products instead of 144. F(4x4,
5x5): from an 8 x 8 tile by 64 instead of 400. y = At [ (G w Gt) . (Bt x B) ] A, where the dot multiplies value by
value, so that over channels it is an independent matrix product for each of the 36 or 64 frequencies. The weight's
gradient is dw = Gt [ sum over tiles of (Bt x B) . (A dy At) ] G. Transforms run along channels. Tiles at the border
read a row of zeros for pixels outside, and write pixels outside to a row that nobody reads.
Source: Winograd 1980; Lavin & Gray 2016, Fast algorithms for convolutional neural networks.

Letters: N images; C channels of the image that is read, K channels of the image that is written; G groups, each of
which reads R channels and writes M; T tiles at a time. Frequencies of T tiles lie as planes (T, channels), rows of
whole vectors with AIR values behind every row and every plane: each plane has `room` rows. `outside` is (1 + parts,
max(C, K)): a row of zeros that is read for pixels outside an image, then for each part a row that takes the values
written there. `table` holds a 0, then for each part TABLE words: the addresses of the pixels of a tile inside and of
one at the border, those of the pixels of a pull's x, and the table of a Sight.
"""

from __future__ import annotations

from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Matrix, Vector
from netspec.codegen.simd import lanes_of
from netspec.codegen.squares import Rows, multiply_rows
from netspec.codegen.tiles import Left, Result, Right, Sums, address, multiply, panel_at, rows_at
from netspec.kernels.conv_geometry import (
    Asked,
    Chunk,
    Chunks,
    FrequencyProducts,
    Through,
    TiledImage,
    TiledImages,
    TileScratch,
)
from netspec.kernels.winograd_image import gather, plane_of, row_of, scatter, table_of


@helper
def products(
    source: Vector,
    packed: Vector,
    out: Vector,
    offsets: int,
    product: FrequencyProducts,
    begin: int,
    end: int,
    count: int,
    room: int,
) -> None:
    """out[f] (count, K) = source[f] (count, C) packed[f], for the frequencies begin to end and all groups.

    source, out: the planes of `room` tiles; packed: (frequencies, panels of (R, M)). `offsets` is the address of a 0.
    """
    r, m, panel, most = product.channels, product.filters, product.panel, product.most
    lanes, panels = lanes_of(source), (m + panel - 1) // panel
    row_in, row_out = row_of(product.groups * r), row_of(product.groups * m)
    plane_in, plane_out = plane_of(product.groups * r, room), plane_of(product.groups * m, room)
    if most == 0:
        for f in range(begin, end):
            for group in range(product.groups):
                a = address(source, f * plane_in + group * r)
                b = address(packed, f * product.plane + group * r * panel)
                c = address(out, f * plane_out + group * m)
                multiply_rows(product.codes[0], Rows(a, row_in, b, panel, c, row_out, count, 0))
        return
    blocks = (count + most - 1) // most
    rows = (count + blocks - 1) // blocks
    more = count - blocks * (rows - 1)
    sums = Sums(1, offsets, r)
    for f in range(begin, end):
        for gp in range(product.groups * panels):
            group, p = gp // panels, gp % panels
            _, tail, whole = panel_at(p * panel, panel, m, lanes)
            edge = 0 if whole else most + 1
            b = Right(address(packed, f * product.plane + gp * r * panel), 0, panel)
            for block in range(blocks):
                t, tall = rows_at(block, rows, more)
                a = Left(address(source, f * plane_in + t * row_in + group * r), row_in, 1)
                c = Result(address(out, f * plane_out + t * row_out + group * m + p * panel), row_out, 0, 0, tail)
                multiply(product.codes[edge + tall], sums, a, b, c)


@kernel
def clear_outside(outside: Matrix, table: Clock, part: int, parts: int) -> None:
    """Clear outside[0], which stands for pixels outside of an image, and table[0], the offset of a product's tap.

    outside: (1 + parts, channels), table: (1 + TABLE * parts,). Runs as one part.
    """
    table[0] = 0
    for i in range(outside.shape[1]):
        outside[0, i] = 0


@kernel
def winograd_tiles(
    x: Vector,
    packed: Vector,
    bias: Vector,
    y: Vector,
    scratch: TileScratch,
    images: TiledImages,
    product: FrequencyProducts,
    chunks: Chunks,
    through: Through,
    asked: Asked,
    mode: int,
    part: int,
    parts: int,
) -> None:
    """y = x * w in one go, for few channels: a part takes chunks of tiles from the image to the result.

    A part's scratch stays in its cache; with as many channels written as read, `scratch.far` may be `scratch.near`. x:
    (N, height, width, C), packed: as `filters_to_frequencies` has it, bias: (K,) or empty, y: (N, height, width, K). Of
    what is asked of y, each part leaves a piece.
    """
    near, far, outside, own = scratch.near[part], scratch.far[part], scratch.outside, table_of(scratch.table, part)
    offsets = address(scratch.table, 0)
    begin, end = span(chunks.number, part, parts)
    for number in range(begin, end):
        first, last = span(chunks.tiles, number, chunks.number)
        chunk = Chunk(first, last, chunks.room, int(number == begin))
        gather(x, outside[0], own, images.source, chunk, first, last, near, through)
        products(near, packed, far, offsets, product, 0, product.frequencies, last - first, chunks.room)
        scatter(far, y, bias, outside[1 + part], own, images.target, chunk, first, last, mode, asked, part)


@kernel
def winograd_gather(
    x: Vector,
    near: Vector,
    outside: Matrix,
    table: Clock,
    image: TiledImage,
    chunk: Chunk,
    through: Through,
    part: int,
    parts: int,
) -> None:
    """near[frequency][tile - first] = the transforms of a chunk's tiles of x, an image or the top's diff.

    A part owns tiles. x: (N, height, width, channels), as it is seen, near: the planes of a chunk.
    """
    begin, end = span(chunk.last - chunk.first, part, parts)
    begin, end = chunk.first + begin, chunk.first + end
    gather(x, outside[0], table_of(table, part), image, chunk, begin, end, near, through)


@kernel
def winograd_multiply(
    near: Vector,
    packed: Vector,
    far: Vector,
    table: Clock,
    product: FrequencyProducts,
    chunk: Chunk,
    part: int,
    parts: int,
) -> None:
    """far[f] = near[f] packed[f]. A part owns frequencies: it alone streams their filters.

    near, far: the planes of a chunk, of C and K channels; packed: as `filters_to_frequencies` has it.
    """
    begin, end = span(product.frequencies, part, parts)
    products(near, packed, far, address(table, 0), product, begin, end, chunk.last - chunk.first, chunk.room)


@kernel
def winograd_scatter(
    far: Vector,
    bias: Vector,
    y: Vector,
    outside: Matrix,
    table: Clock,
    image: TiledImage,
    chunk: Chunk,
    asked: Asked,
    mode: int,
    part: int,
    parts: int,
) -> None:
    """A chunk's tiles of y (N, height, width, K) from their frequencies, the planes `far`; bias: (K,) or empty.

    A part owns tiles, and a piece of what BatchNorms beside get.
    """
    begin, end = span(chunk.last - chunk.first, part, parts)
    begin, end = chunk.first + begin, chunk.first + end
    own = table_of(table, part)
    scatter(far, y, bias, outside[1 + part], own, image, chunk, begin, end, mode, asked, part)
