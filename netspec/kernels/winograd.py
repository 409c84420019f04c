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

from netspec.codegen.geometry import AIR, DENSE, PLACES, RECTIFY, TABLE
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Matrix, Vector
from netspec.codegen.simd import expect_reading, expect_writing, lanes_of
from netspec.codegen.tiles import Left, Result, Right, Sums, address, multiply, panel_at, rows_at
from netspec.codegen.transforms import Places, Planes, Span, transform
from netspec.kernels.beside import leave_moments, leave_products
from netspec.kernels.conv_geometry import Asked, Chunk, Chunks, FrequencyProducts, Through, TiledImage, TileScratch

RUN = 8
"""Tiles of a line, at most, after which what they wrote is gone over for the BatchNorms beside, while it is near."""


@helper
def inner_places(table: Clock, x: Vector, image: TiledImage, pitch: int) -> None:
    """table[: side*side] = the addresses of a tile's pixels, `pitch` values apart, for a tile that begins at x[0].

    It serves every tile that has all its pixels.
    """
    size = pitch * x.itemsize
    for i in range(image.side):
        for j in range(image.side):
            table[i * image.side + j] = address(x, 0) + (i * image.width + j) * size


@helper
def place_tile(table: Clock, x: Vector, image: TiledImage, pitch: int, tile: int, outside: int) -> tuple[int, int]:
    """(address of a table of a tile's pixels, `pitch` values apart; offset to add to the table's addresses).

    A tile begins `pad` pixels before every step-th pixel. A tile with all its pixels in the image uses the table of
    `inner_places`; for others a table is made behind it, with `outside` for the pixels outside.
    """
    height, width, side = image.height, image.width, image.side
    n, at = tile // image.tiles, tile % image.tiles
    y0, x0 = at // image.across * image.step - image.pad, at % image.across * image.step - image.pad
    start = ((n * height + y0) * width + x0) * pitch
    if y0 >= 0 and x0 >= 0 and y0 + side <= height and x0 + side <= width:
        return address(table, 0), start
    size = pitch * x.itemsize
    for i in range(side):
        line = address(x, 0) + (start + i * width * pitch) * x.itemsize
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
def span_of(channels: int, lanes: int, bias: int, mode: int, sight: int) -> Span:
    """All channels of a tile, as squares of vectors."""
    vectors = (channels + lanes - 1) // lanes
    return Span(vectors, channels - (vectors - 1) * lanes, bias, mode, sight)


@helper
def look_through(table: Clock, outside: Vector, image: TiledImage, through: Through) -> int:
    """The address of the table of a Sight, made in a part's room; 0 where there is neither a lens nor a pull."""
    lens, pull = through
    if not (lens.factor.size or pull.of_dy.size):
        return 0
    pulled, at = pull.of_dy.size > 0, 4 * PLACES
    seen = pull.lens if pulled else lens
    table[at] = address(outside, 0)
    table[at + 1] = address(seen.factor, 0)
    table[at + 2] = address(seen.offset, 0)
    table[at + 3] = address(pull.centre, 0)
    table[at + 4] = address(pull.of_dy, 0)
    table[at + 5] = address(pull.of_x, 0)
    table[at + 6] = address(pull.shift, 0)
    table[at + 9] = RECTIFY if seen.low == 0 else 0
    if pulled:
        inner_places(table[2 * PLACES :], pull.x, image, pull.pitch)
    return address(table, at)  # type: ignore[no-any-return]


@helper
def gather(
    x: Vector,
    outside: Vector,
    table: Clock,
    image: TiledImage,
    chunk: Chunk,
    begin: int,
    end: int,
    out: Vector,
    through: Through,
) -> None:
    """out[frequency][tile - first] (C,) = the transforms of a chunk's tiles begin to end.

    x: (N, height, width, C), as it is seen, outside: (C,) zeros, table: scratch, out: the planes of a
    chunk.
    """
    inner_places(table, x, image, image.pitch)
    row, plane, lanes = row_of(image.channels), plane_of(image.channels, chunk.room), lanes_of(x)
    squares = span_of(image.channels, lanes, 0, 0, look_through(table, outside, image, through))
    pull = through.pull
    for tile in range(begin, end):
        places, start = place_tile(table, x, image, image.pitch, tile, address(outside, 0))
        if pull.of_dy.size:
            own, far = table[2 * PLACES :], address(pull.centre, 0)
            table[4 * PLACES + 7], table[4 * PLACES + 8] = place_tile(own, pull.x, image, pull.pitch, tile, far)
        planes = Planes(address(out, (tile - chunk.first) * row), lanes, plane)
        transform(image.code, Places(places, start, lanes), planes, squares)


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
    asked: Asked,
    piece: int,
) -> None:
    """The tiles begin to end of y from their frequencies in source[frequency][tile - first] (K,).

    y: (N, height, width, K), bias: (K,) or empty, outside: (K,) takes what lies outside, table: scratch. What is asked
    of y is added to a piece, which the first chunk begins.
    """
    inner_places(table, y, image, image.pitch)
    row, plane, lanes = row_of(image.channels), plane_of(image.channels, chunk.room), lanes_of(y)
    squares = span_of(image.channels, lanes, address(bias, 0) if bias.size else 0, mode, 0)
    leaves, first = asked.moments.values.size > 0 or asked.products.pieces.values.size > 0, begin
    for tile in range(begin, end):
        places, start = place_tile(table, y, image, image.pitch, tile, address(outside, 0))
        planes = Planes(address(source, (tile - chunk.first) * row), lanes, plane)
        transform(image.code, Places(places, start, lanes), planes, squares)
        if leaves and (tile + 1 == end or (tile + 1) % image.across == 0 or tile + 1 - first == RUN):
            leave(y, image, first, tile + 1, asked, piece, chunk.begins > 0 and first == begin)
            first = tile + 1


@helper
def leave(y: Vector, image: TiledImage, begin: int, end: int, asked: Asked, piece: int, first: bool) -> None:
    """Add the pixels of y where the tiles begin to end of a line lie to a piece; with `first` they begin it."""
    n, at = begin // image.tiles, begin % image.tiles
    y0, x0 = at // image.across * image.step, at % image.across * image.step
    number = min((end - begin) * image.step, image.width - x0)
    lines = min(image.step, image.height - y0)
    if number == image.width and lines * number <= RUN * image.step:
        number, lines = lines * number, 1
    for i in range(lines):
        pixel, begins = (n * image.height + y0 + i) * image.width + x0, first and i == 0
        start, pitch, c = pixel * image.pitch, image.pitch, image.channels
        leave_moments(y, start, pitch, number, 0, c, asked.moments, piece, begins)
        leave_products(y, start, pitch, pixel, number, 0, c, asked.products, piece, begins)


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
    """A part's room for addresses, (TABLE,)."""
    return table[1 + part * TABLE : 1 + (part + 1) * TABLE]


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
    source: TiledImage,
    target: TiledImage,
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
        gather(x, outside[0], own, source, chunk, first, last, near, through)
        expect(y, target, first, last, True)
        expect(x, source, last, min(chunks.tiles, last + chunks.room), False)
        products(near, packed, far, offsets, product, 0, product.frequencies, last - first, chunks.room)
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
