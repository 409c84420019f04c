"""Convolution with 3 x 3 filters at stride 1 by Winograd's minimal filtering F(4x4, 3x3): 36 products instead of 144.

Every 4 x 4 pixels of the result come from a 6 x 6 tile of the image: y = At [ (G w Gt) . (Bt x B) ] A, where the dot
multiplies value by value, so that over channels it is 36 independent matrix products, one for each frequency. The
weight's gradient is dw = Gt [ sum over tiles of (Bt x B) . (A dy At) ] G. Transforms run along channels. Tiles at the
border read a vector of zeros for pixels outside, and write pixels outside to a vector that nobody reads.
Source: Winograd 1980; Lavin & Gray 2016, Fast algorithms for convolutional neural networks (points 0, 1, -1, 2, -2,
infinity).

Letters: N images; C channels of the image that is read, K channels of the image that is written; G groups, each of
which reads R channels and writes M; T tiles at a time. Frequencies of T tiles lie as 36 planes (T, channels), with AIR
values behind every row and every plane: 36 planes of `room` rows in all. `outside` is (1 + parts, max(C, K)): a row of
zeros that is read for pixels outside an image, then for each part a row that takes the values written there. `table`
holds a 0, then for each part room for the addresses of a tile's pixels, twice.
"""

from __future__ import annotations

from netspec.codegen.geometry import AIR, FREQUENCIES, SIDE, STEP
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Matrix, Vector
from netspec.codegen.simd import lanes_of
from netspec.codegen.tiles import Left, Result, Right, Sums, address, multiply, panel_at, rows_at
from netspec.codegen.winograd import transform_back, transform_diff, transform_filter, transform_image
from netspec.kernels.conv_geometry import Chunk, Chunks, Filters, FrequencyProducts, TiledImage, TileScratch


@helper
def inner_places(table: Clock, x: Vector, image: TiledImage, side: int) -> None:
    """table[: side*side] = the addresses of a tile's pixels, for a tile that begins at x[0].

    It serves every tile that has all its pixels.
    """
    size = image.pitch * x.itemsize
    for i in range(side):
        for j in range(side):
            table[i * side + j] = address(x, 0) + (i * image.width + j) * size


@helper
def place_tile(
    table: Clock, x: Vector, image: TiledImage, tile: int, pad: int, side: int, outside: int
) -> tuple[int, int]:
    """(address of a table of a tile's pixels, offset to add to the table's addresses).

    A tile begins `pad` pixels before every fourth pixel. A tile with all its pixels in the image uses the table of
    `inner_places`; for others a table is made behind it, with `outside` for the pixels outside.
    """
    height, width = image.height, image.width
    n, at = tile // image.tiles, tile % image.tiles
    y0, x0 = at // image.across * STEP - pad, at % image.across * STEP - pad
    start = ((n * height + y0) * width + x0) * image.pitch
    if y0 >= 0 and x0 >= 0 and y0 + side <= height and x0 + side <= width:
        return address(table, 0), start
    base, size = address(x, 0) + start * x.itemsize, image.pitch * x.itemsize
    for i in range(side):
        for j in range(side):
            inside = 0 <= y0 + i < height and 0 <= x0 + j < width
            table[FREQUENCIES + i * side + j] = base + (i * width + j) * size if inside else outside
    return address(table, FREQUENCIES), 0


@helper
def row_of(channels: int) -> int:
    """Values from one tile's frequencies to the next tile's."""
    return channels + AIR


@helper
def plane_of(channels: int, room: int) -> int:
    """Values from one frequency of `room` tiles to the next."""
    return room * row_of(channels) + AIR


@helper
def gather(
    x: Vector, outside: Vector, table: Clock, image: TiledImage, chunk: Chunk, begin: int, end: int, out: Vector
) -> None:
    """out[frequency][tile - first] (C,) = the transforms of a chunk's tiles begin to end, 6 x 6 pixels each.

    x: (N, height, width, C), outside: (C,) zeros, table: (72,) scratch, out: the planes of a chunk.
    """
    inner_places(table, x, image, SIDE)
    row, plane = row_of(image.channels), plane_of(image.channels, chunk.room)
    for tile in range(begin, end):
        places, start = place_tile(table, x, image, tile, image.pad, SIDE, address(outside, 0))
        to = address(out, (tile - chunk.first) * row)
        for c in range(0, image.channels, lanes_of(x)):
            transform_image(x, places, start + c, to + c * x.itemsize, plane)


@helper
def gather_diff(
    x: Vector, outside: Vector, table: Clock, image: TiledImage, chunk: Chunk, begin: int, end: int, out: Vector
) -> None:
    """out[frequency][tile - first] (K,) = the transforms of tiles begin to end of the top's diff, 4 x 4 pixels each.

    x: (N, height, width, K), outside: (K,) zeros, table: (72,) scratch, out: the planes of a chunk.
    """
    inner_places(table, x, image, STEP)
    row, plane = row_of(image.channels), plane_of(image.channels, chunk.room)
    for tile in range(begin, end):
        places, start = place_tile(table, x, image, tile, 0, STEP, address(outside, 0))
        to = address(out, (tile - chunk.first) * row)
        for c in range(0, image.channels, lanes_of(x)):
            transform_diff(x, places, start + c, to + c * x.itemsize, plane)


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

    y: (N, height, width, K), bias: (K,) or empty, outside: (K,) takes what lies outside, table: (72,) scratch.
    """
    inner_places(table, y, image, STEP)
    row, plane = row_of(image.channels), plane_of(image.channels, chunk.room)
    for tile in range(begin, end):
        places, start = place_tile(table, y, image, tile, 0, STEP, address(outside, 0))
        frm = address(source, (tile - chunk.first) * row)
        for c in range(0, image.channels, lanes_of(y)):
            constants = address(bias, c) if bias.size else 0
            transform_back(y, frm + c * y.itemsize, plane, places, start + c, constants, mode)


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

    source, out: the planes of `room` tiles; packed: (36, panels of (R, M)). `offsets` is the address of a 0.
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
            b = Right(address(packed, (f * product.groups * panels + gp) * r * panel), 0, panel)
            for block in range(blocks):
                t, tall = rows_at(block, rows, more)
                a = Left(address(source, f * plane_in + t * row_in + group * r), row_in, 1)
                c = Result(address(out, f * plane_out + t * row_out + group * m + p * panel), row_out, 0, 0, tail)
                multiply(product.codes[edge + tall], sums, a, b, c)


@helper
def table_of(table: Clock, part: int) -> Clock:
    """A part's room for addresses, (72,)."""
    return table[1 + 2 * part * FREQUENCIES : 1 + 2 * (part + 1) * FREQUENCIES]


@kernel
def clear_outside(outside: Matrix, table: Clock, part: int, parts: int) -> None:
    """Clear outside[0], which stands for pixels outside of an image, and table[0], the offset of a product's tap.

    outside: (1 + parts, channels), table: (1 + 72 * parts,). Runs as one part.
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

    A part's scratch stays in its cache. x: (N, height, width, C), packed: as `filters_to_frequencies` has it, bias:
    (K,) or empty, y: (N, height, width, K).
    """
    near, far, outside, own = scratch.near[part], scratch.far[part], scratch.outside, table_of(scratch.table, part)
    offsets = address(scratch.table, 0)
    for number in range(*span(chunks.number, part, parts)):
        first, last = span(chunks.tiles, number, chunks.number)
        chunk = Chunk(first, last, chunks.room)
        gather(x, outside[0], own, source, chunk, first, last, near)
        products(near, packed, far, offsets, product, 0, FREQUENCIES, last - first, chunks.room)
        scatter(far, y, bias, outside[1 + part], own, target, chunk, first, last, mode)


@kernel
def winograd_gather(
    x: Vector,
    near: Vector,
    outside: Matrix,
    table: Clock,
    image: TiledImage,
    diff: int,
    chunk: Chunk,
    part: int,
    parts: int,
) -> None:
    """near[frequency][tile - first] = the transforms of a chunk's tiles of x, or with `diff` of the top's diff.

    A part owns tiles. x: (N, height, width, channels), near: the planes of a chunk.
    """
    begin, end = span(chunk.last - chunk.first, part, parts)
    begin, end, own = chunk.first + begin, chunk.first + end, table_of(table, part)
    if diff:
        gather_diff(x, outside[0], own, image, chunk, begin, end, near)
    else:
        gather(x, outside[0], own, image, chunk, begin, end, near)


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
    begin, end = span(FREQUENCIES, part, parts)
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


@kernel
def filters_to_frequencies(w: Vector, packed: Vector, scratch: Matrix, filters: Filters, part: int, parts: int) -> None:
    """w: (K, R, 3, 3). packed: [frequency][group][column block][value][panel], as `conv.pack` has them.

    Where `filters.turned`, for the bottom's diff, values are a group's filters, columns its channels, and the filter is
    turned about. scratch: (parts, 9 vectors). A part owns values of column blocks.
    """
    r, panel, turned = filters.channels, filters.panel, filters.turned
    lanes, m, near = lanes_of(w), filters.filters // filters.groups, scratch[part]
    values, columns = (m, r) if turned else (r, m)
    blocks = (columns + panel - 1) // panel
    plane = filters.groups * blocks * values * panel
    for unit in range(*span(filters.groups * blocks * values, part, parts)):
        block, value = unit // values, unit % values
        group, first = block // blocks, block % blocks * panel
        for j0 in range(0, min(panel, columns - first), lanes):
            for j in range(lanes):
                column = first + j0 + j
                at = (((group * m + value) * r + column) if turned else ((group * m + column) * r + value)) * 9
                for t in range(9):
                    near[t * lanes + j] = w[at + (8 - t if turned else t)]
            transform_filter(w, address(near, 0), lanes, address(packed, unit * panel + j0), plane)
