"""Tiles of images on their way to frequencies and back, for Winograd's convolution. Letters and layout: `winograd`."""

from __future__ import annotations

from netspec.codegen.geometry import AIR, DENSE, LINE, PLACES, RECTIFY, TABLE
from netspec.codegen.kernel import helper, viewing
from netspec.codegen.kinds import Clock, Vector
from netspec.codegen.simd import expect, lanes_of
from netspec.codegen.tiles import address
from netspec.codegen.transform_squares import Places, Planes, Span
from netspec.codegen.transforms import transform
from netspec.kernels.beside import leave_moments, leave_products
from netspec.kernels.winograd_geometry import Asked, Chunk, Coming, Through, TiledImage

RUN = 8
"""Tiles of a line, at most, after which what they wrote is gone over for the BatchNorms beside, while it is near."""
NOTHING = Coming(0, 0, 0, 0)
"""Nothing comes."""


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
def corner(image: TiledImage, tile: int) -> tuple[int, int, int]:
    """(number of the pixel at which a tile begins, its line, its column): `pad` pixels before every step-th pixel."""
    n, at = tile // image.tiles, tile % image.tiles
    y0, x0 = at // image.across * image.step - image.pad, at % image.across * image.step - image.pad
    return (n * image.height + y0) * image.width + x0, y0, x0


@helper
def next_corner(image: TiledImage, pixel: int, y0: int, x0: int) -> tuple[int, int, int]:
    """The corner of the tile after that with this corner."""
    step, line = image.step, image.across * image.step
    if x0 + image.pad + step < line:
        return pixel + step, y0, x0 + step
    pixel, y0, x0 = pixel + step - line + step * image.width, y0 + step, -image.pad
    column = image.tiles // image.across * step
    if y0 + image.pad < column:
        return pixel, y0, x0
    return pixel + (image.height - column) * image.width, -image.pad, x0


@helper
def border_places(table: Clock, start: int, y0: int, x0: int, image: TiledImage, outside: int) -> None:
    """table[PLACES :] = the addresses of the pixels of a tile at the border, `outside` for the pixels outside.

    `start` is added to the addresses of table[: side*side].
    """
    side = image.side
    end = side * side
    for k in range(end):
        table[PLACES + k] = table[k] + start
    for k in range(-y0 * side):
        table[PLACES + k] = outside
    for k in range(max(0, image.height - y0) * side, end):
        table[PLACES + k] = outside
    for j in range(-x0):
        for k in range(j, end, side):
            table[PLACES + k] = outside
    for j in range(max(0, image.width - x0), side):
        for k in range(j, end, side):
            table[PLACES + k] = outside


@helper
def coming(x: Vector, pitch: int, image: TiledImage, begin: int, end: int, frequencies: int) -> Coming:
    """The pixels of x, `pitch` values apart, where the tiles begin to end of an image lie, and those a line below.

    As memory lies: a line of tiles counts as if its tiles lay one behind the other. Those of the line that comes first
    were brought with the tiles before.
    """
    first, last = _place(image, begin), _place(image, end)
    at, size = first + image.step * image.width, pitch * x.itemsize
    number = (last - first + frequencies - 1) // frequencies
    return Coming(address(x, 0) + at * size, size, min(image.channels, x.size) * x.itemsize, number)


@helper
def _place(image: TiledImage, tile: int) -> int:
    n, at = tile // image.tiles, tile % image.tiles
    return (n * image.height + at // image.across * image.step) * image.width + at % image.across * image.step**2


@helper
def bring(pixels: tuple[Coming, ...], frequency: int) -> None:
    """Prefetch what comes with a frequency."""
    for some in pixels:
        first = some.address + frequency * some.number * some.pitch
        for pixel in range(first, first + some.number * some.pitch if some.size else first, max(1, some.pitch)):
            for line in range(pixel, pixel + some.size, LINE):
                expect(line)


@helper
def is_inside(image: TiledImage, y0: int, x0: int) -> bool:
    """Whether a tile with this corner has all its pixels in the image."""
    return y0 >= 0 and x0 >= 0 and y0 + image.side <= image.height and x0 + image.side <= image.width


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
    pull, at, zeros, size = through.pull, 4 * PLACES, address(outside, 0), x.itemsize
    pulled, centre = pull.of_dy.size > 0, address(pull.centre, 0)
    pixel, y0, x0 = corner(image, begin)
    for tile in range(begin, end):
        places, start = address(table, 0), pixel * image.pitch
        x_places, x_start = address(table, 2 * PLACES), pixel * pull.pitch
        if not is_inside(image, y0, x0):
            border_places(table, start * size, y0, x0, image, zeros)
            places, start = address(table, PLACES), 0
            if pulled:
                for k in range(image.side * image.side):
                    x_place = table[2 * PLACES + k] + x_start * size
                    table[3 * PLACES + k] = centre if table[PLACES + k] == zeros else x_place
                x_places, x_start = address(table, 3 * PLACES), 0
        if pulled:
            table[at + 7], table[at + 8] = x_places, x_start
        planes = Planes(address(out, (tile - chunk.first) * row), lanes, plane)
        transform(image.code, Places(places, start, lanes), planes, squares)
        pixel, y0, x0 = next_corner(image, pixel, y0, x0)


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
    pixel, y0, x0 = corner(image, begin)
    whole, none = 0, address(outside, 0)
    leaving = Span(squares.squares, squares.tail, squares.bias, mode, look_at_sums(table, image, asked, piece))
    for tile in range(begin, end):
        places, start, inside = address(table, 0), pixel * image.pitch, is_inside(image, y0, x0)
        if not inside:
            border_places(table, start * y.itemsize, y0, x0, image, none)
            places, start = address(table, PLACES), 0
        x_start = pixel * asked.products.pitch
        pixel, y0, x0 = next_corner(image, pixel, y0, x0)
        planes = Planes(address(source, (tile - chunk.first) * row), lanes, plane)
        if inside and asked.along and not (chunk.begins and tile == begin):
            if first < tile:
                leave(y, image, first, tile, asked, piece, chunk.begins > 0 and first == begin)
            table[4 * PLACES + 8] = x_start
            transform(asked.code, Places(places, start, lanes), planes, leaving)
            whole += 1
            first = tile + 1
            continue
        transform(image.code, Places(places, start, lanes), planes, squares)
        if leaves and (tile + 1 == end or (tile + 1) % image.across == 0 or tile + 1 - first == RUN):
            leave(y, image, first, tile + 1, asked, piece, chunk.begins > 0 and first == begin)
            first = tile + 1
    if asked.moments.values.size:
        asked.moments.counts[piece] += whole * image.step * image.step


@helper
def look_at_sums(table: Clock, image: TiledImage, asked: Asked, piece: int) -> int:
    """The address of the table of a Sight for what whole tiles leave on their way, made in a part's room."""
    at, moments, products = 4 * PLACES, asked.moments, asked.products
    if not asked.along:
        return 0
    if moments.values.size:
        values, width, first = moments.values, moments.width, 3 * moments.width * piece
        table[at + 3] = address(values, first)
        table[at + 4] = address(values, first + width)
        table[at + 5] = address(values, first + 2 * width)
        return address(table, at)  # type: ignore[no-any-return]
    values, width, first = products.pieces.values, products.pieces.width, 2 * products.pieces.width * piece
    table[at + 1] = address(products.lens.factor, 0)
    table[at + 2] = address(products.lens.offset, 0)
    table[at + 3] = address(products.centre, 0)
    table[at + 4] = address(values, first)
    table[at + 5] = address(values, first + width)
    table[at + 7] = address(table, 2 * PLACES)
    table[at + 9] = RECTIFY if products.lens.low == 0 else 0
    inner_places(table[2 * PLACES :], products.x, image, products.pitch)
    return address(table, at)  # type: ignore[no-any-return]


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


@viewing
def table_of(table: Clock, part: int) -> Clock:
    """A part's room for addresses, (TABLE,)."""
    return table[1 + part * TABLE : 1 + (part + 1) * TABLE]
