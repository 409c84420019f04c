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
written there. `table` holds a 0, then for each part room for the addresses of a tile's pixels, twice.
"""

from __future__ import annotations

from netspec.codegen.geometry import AIR, DENSE, PLACES
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Matrix, Vector
from netspec.codegen.simd import expect_reading, expect_writing, lanes_of
from netspec.codegen.tiles import Left, Result, Right, Sums, address, multiply, panel_at, rows_at
from netspec.codegen.transforms import Places, Planes, Span, transform
from netspec.kernels.conv_geometry import Chunk, Chunks, FrequencyProducts, TiledImage, TileScratch


@helper
def inner_places(table: Clock, x: Vector, image: TiledImage) -> None:
    """table[: side*side] = the addresses of a tile's pixels, for a tile that begins at x[0].

    It serves every tile that has all its pixels.
    """
    size = image.pitch * x.itemsize
    for i in range(image.side):
        for j in range(image.side):
            table[i * image.side + j] = address(x, 0) + (i * image.width + j) * size


@helper
def place_tile(table: Clock, x: Vector, image: TiledImage, tile: int, outside: int) -> tuple[int, int]:
    """(address of a table of a tile's pixels, offset to add to the table's addresses).

    A tile begins `pad` pixels before every step-th pixel. A tile with all its pixels in the image uses the table of
    `inner_places`; for others a table is made behind it, with `outside` for the pixels outside.
    """
    height, width, side = image.height, image.width, image.side
    n, at = tile // image.tiles, tile % image.tiles
    y0, x0 = at // image.across * image.step - image.pad, at % image.across * image.step - image.pad
    start = ((n * height + y0) * width + x0) * image.pitch
    if y0 >= 0 and x0 >= 0 and y0 + side <= height and x0 + side <= width:
        return address(table, 0), start
    size = image.pitch * x.itemsize
    for i in range(side):
        line = address(x, 0) + (start + i * width * image.pitch) * x.itemsize
        first, last = (max(0, -x0), min(side, width - x0)) if 0 <= y0 + i < height else (side, side)
        for j in range(side):
            table[PLACES + i * side + j] = line + j * size if first <= j < last else outside
    return address(table, PLACES), 0


@helper
def row_of(channels: int) -> int:
    """Values from one tile's frequencies to the next tile's."""
    whole = (channels + 15) // 16 * 16
    return whole if whole <= DENSE else whole + AIR


@helper
def plane_of(channels: int, room: int) -> int:
    """Values from one frequency of `room` tiles to the next."""
    return room * row_of(channels) + AIR


@helper
def span_of(channels: int, lanes: int, bias: int, mode: int) -> Span:
    """All channels of a tile, as squares of vectors."""
    vectors = (channels + lanes - 1) // lanes
    return Span(vectors, channels - (vectors - 1) * lanes, bias, mode)


@helper
def gather(
    x: Vector, outside: Vector, table: Clock, image: TiledImage, chunk: Chunk, begin: int, end: int, out: Vector
) -> None:
    """out[frequency][tile - first] (C,) = the transforms of a chunk's tiles begin to end.

    x: (N, height, width, C), outside: (C,) zeros, table: scratch, out: the planes of a chunk.
    """
    inner_places(table, x, image)
    row, plane, lanes = row_of(image.channels), plane_of(image.channels, chunk.room), lanes_of(x)
    for tile in range(begin, end):
        places, start = place_tile(table, x, image, tile, address(outside, 0))
        planes = Planes(address(out, (tile - chunk.first) * row), lanes, plane)
        transform(image.code, Places(places, start, lanes), planes, span_of(image.channels, lanes, 0, 0))


@helper
def scatter(
    source: Vector,
    y: Vector,
    bias: Vector,
    outside: Vector,
    table: Clock,
    image: TiledImage,
    chunk: Chunk,
    begin: int,
    end: int,
    mode: int,
) -> None:
    """The tiles begin to end of y from their frequencies in source[frequency][tile - first] (K,).

    y: (N, height, width, K), bias: (K,) or empty, outside: (K,) takes what lies outside, table: scratch.
    """
    inner_places(table, y, image)
    row, plane, lanes = row_of(image.channels), plane_of(image.channels, chunk.room), lanes_of(y)
    squares = span_of(image.channels, lanes, address(bias, 0) if bias.size else 0, mode)
    for tile in range(begin, end):
        places, start = place_tile(table, y, image, tile, address(outside, 0))
        planes = Planes(address(source, (tile - chunk.first) * row), lanes, plane)
        transform(image.code, Places(places, start, lanes), planes, squares)


@helper
def expect(x: Vector, image: TiledImage, begin: int, end: int, writing: bool) -> None:
    """Bring the pixels where the tiles begin to end lie in x (N, height, width, channels) to the second cache."""
    line, width = 64 // x.itemsize, image.width
    for tile in range(begin, end):
        n, at = tile // image.tiles, tile % image.tiles
        y0, x0 = at // image.across * image.step, at % image.across * image.step
        for i in range(image.step):
            start = ((n * image.height + y0 + i) * width + x0) * image.pitch
            for pixel in range(min(image.step, width - x0)):
                for c in range(0, image.channels, line):
                    place = address(x, start + pixel * image.pitch + c)
                    if writing:
                        expect_writing(place)
                    else:
                        expect_reading(place)


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
    blocks = (count + most - 1) // most
    rows = (count + blocks - 1) // blocks
    more = count - blocks * (rows - 1)
    row_in, row_out = row_of(product.groups * r), row_of(product.groups * m)
    plane_in, plane_out = plane_of(product.groups * r, room), plane_of(product.groups * m, room)
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


@helper
def table_of(table: Clock, part: int) -> Clock:
    """A part's room for addresses, (2 * PLACES,)."""
    return table[1 + 2 * part * PLACES : 1 + 2 * (part + 1) * PLACES]


@kernel
def clear_outside(outside: Matrix, table: Clock, part: int, parts: int) -> None:
    """Clear outside[0], which stands for pixels outside of an image, and table[0], the offset of a product's tap.

    outside: (1 + parts, channels), table: (1 + 2 * PLACES * parts,). Runs as one part.
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
    source: TiledImage,
    target: TiledImage,
    product: FrequencyProducts,
    chunks: Chunks,
    mode: int,
    part: int,
    parts: int,
) -> None:
    """y = x * w in one go, for few channels: a part takes chunks of tiles from the image to the result.

    A part's scratch stays in its cache; with as many channels written as read, `scratch.far` may be `scratch.near`. x:
    (N, height, width, C), packed: as `filters_to_frequencies` has it, bias: (K,) or empty, y: (N, height, width, K).
    """
    near, far, outside, own = scratch.near[part], scratch.far[part], scratch.outside, table_of(scratch.table, part)
    offsets = address(scratch.table, 0)
    for number in range(*span(chunks.number, part, parts)):
        first, last = span(chunks.tiles, number, chunks.number)
        chunk = Chunk(first, last, chunks.room)
        gather(x, outside[0], own, source, chunk, first, last, near)
        expect(y, target, first, last, True)
        expect(x, source, last, min(chunks.tiles, last + chunks.room), False)
        products(near, packed, far, offsets, product, 0, product.frequencies, last - first, chunks.room)
        scatter(far, y, bias, outside[1 + part], own, target, chunk, first, last, mode)


@kernel
def winograd_gather(
    x: Vector,
    near: Vector,
    outside: Matrix,
    table: Clock,
    image: TiledImage,
    chunk: Chunk,
    part: int,
    parts: int,
) -> None:
    """near[frequency][tile - first] = the transforms of a chunk's tiles of x, an image or the top's diff.

    A part owns tiles. x: (N, height, width, channels), near: the planes of a chunk.
    """
    begin, end = span(chunk.last - chunk.first, part, parts)
    begin, end = chunk.first + begin, chunk.first + end
    gather(x, outside[0], table_of(table, part), image, chunk, begin, end, near)


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
    mode: int,
    part: int,
    parts: int,
) -> None:
    """A chunk's tiles of y (N, height, width, K) from their frequencies, the planes `far`; bias: (K,) or empty.

    A part owns tiles.
    """
    begin, end = span(chunk.last - chunk.first, part, parts)
    begin, end = chunk.first + begin, chunk.first + end
    scatter(far, y, bias, outside[1 + part], table_of(table, part), image, chunk, begin, end, mode)
