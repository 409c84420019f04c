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

from netspec.codegen.geometry import ADD, LINE
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Matrix, Vector
from netspec.codegen.simd import lanes_of
from netspec.codegen.squares import Rows, multiply_rows
from netspec.codegen.tiles import Ahead, Left, Result, Right, Sums, address, multiply, panel_at, rows_at
from netspec.kernels.winograd_geometry import (
    Asked,
    Chunk,
    Chunks,
    Coming,
    FilterBlock,
    FrequencyProducts,
    Through,
    TiledImage,
    TiledImages,
    Tiles,
    TileScratch,
)
from netspec.kernels.winograd_image import NOTHING, bring, coming, gather, plane_of, row_of, scatter, table_of


@helper
def next_frequency(
    source: Vector, packed: int, product: FrequencyProducts, block: FilterBlock, n: int, tiles: Tiles
) -> Ahead:
    """What the n-th tile of a block prefetches for the next frequency: its filters, then its channels of the source.

    packed: the address of the next frequency of the block's filters.
    """
    size, depth = source.itemsize, block.end - block.begin
    runs = block.afar * (block.last - block.first) * product.panel * size // LINE
    if n < runs:
        return Ahead(packed + n * depth * LINE, 0, LINE)
    n -= runs
    lines, row = (depth * size + LINE - 1) // LINE, row_of(product.groups * product.channels)
    first = n // lines * depth
    if first >= tiles.number:
        return Ahead(0, 0, 0)
    plane = plane_of(product.groups * product.channels, tiles.room)
    at = (tiles.frequency + 1) * plane + first * row + block.group * product.channels + block.begin
    return Ahead(address(source, at) + n % lines * LINE, 0, row * size)


@helper
def multiply_block(
    source: Vector, packed: int, out: Vector, offsets: int, product: FrequencyProducts, block: FilterBlock, tiles: Tiles
) -> None:
    """out (number, K) = source (count, C) times a block of filters, of one frequency; later channels are added.

    source, out: the planes of `room` tiles. packed: the address of the block, of frequency 0; offsets: that of a 0.
    """
    m, panel, most, size = product.filters, product.panel, product.most, source.itemsize
    row_in, row_out = row_of(product.groups * product.channels), row_of(product.groups * m)
    from_row = tiles.frequency * plane_of(product.groups * product.channels, tiles.room)
    from_row += block.group * product.channels + block.begin
    to_row = tiles.frequency * plane_of(product.groups * m, tiles.room) + block.group * m
    blocks = (tiles.number + most - 1) // most
    rows = (tiles.number + blocks - 1) // blocks
    more = tiles.number - blocks * (rows - 1)
    sums, mode = Sums(1, offsets, block.end - block.begin), ADD if block.begin else 0
    filters = packed + tiles.frequency * block.plane * size
    following = filters + block.plane * size
    for p in range(block.first, block.last):
        _, tail, whole = panel_at(p * panel, panel, m, lanes_of(source))
        edge = 0 if whole else most + 1
        b = Right(filters + (p - block.first) * block.deep * panel * size, 0, panel)
        for some in range(blocks):
            t, tall = rows_at(some, rows, more)
            a = Left(address(source, from_row + t * row_in), row_in, 1)
            c = Result(address(out, to_row + t * row_out + p * panel), row_out, 0, mode, tail)
            ahead = next_frequency(source, following, product, block, (p - block.first) * blocks + some, tiles)
            multiply(product.codes[edge + tall], sums, a, b, c, ahead)


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
    soon: tuple[Coming, ...],
) -> None:
    """out[f] (count, K) = source[f] (count, C) packed[f], for the frequencies begin to end and all groups.

    source, out: the planes of `room` tiles; packed: (frequencies, panels of (R, M)). `offsets` is the address of a 0;
    `soon` is brought near meanwhile.
    """
    r, m, panel, groups = product.channels, product.filters, product.panel, product.groups
    panels = (m + panel - 1) // panel
    for f in range(begin, end):
        bring(soon, f)
        for group in range(groups):
            if product.most == 0:
                a = address(source, f * plane_of(groups * r, room) + group * r)
                b = address(packed, f * product.plane + group * r * panel)
                c = address(out, f * plane_of(groups * m, room) + group * m)
                rows = Rows(a, row_of(groups * r), b, panel, c, row_of(groups * m), count, 0)
                multiply_rows(product.codes[0], rows)
            else:
                block = FilterBlock(group, 0, panels, 0, r, r, product.plane, 1)
                filters = address(packed, group * panels * r * panel)
                multiply_block(source, filters, out, offsets, product, block, Tiles(f, count, room))


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
    source, target, frequencies = images.source, images.target, product.frequencies
    begin, end = span(chunks.number, part, parts)
    for number in range(begin, end):
        first, last = span(chunks.tiles, number, chunks.number)
        chunk = Chunk(first, last, chunks.room, int(number == begin))
        gather(x, outside[0], own, source, chunk, first, last, near, through)
        then = min(last + chunks.room, chunks.tiles)
        soon = (
            coming(x, source.pitch, source, last, then, frequencies),
            coming(through.pull.x, through.pull.pitch, source, last, then, frequencies),
            coming(y, target.pitch, target, first, last, frequencies),
            coming(asked.products.x, asked.products.pitch, target, first, last, frequencies),
        )
        products(near, packed, far, offsets, product, 0, frequencies, last - first, chunks.room, soon)
        scatter(far, y, bias, outside[1 + part], own, target, chunk, first, last, mode, asked, part)


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
    count = chunk.last - chunk.first
    products(near, packed, far, address(table, 0), product, begin, end, count, chunk.room, (NOTHING,))


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
