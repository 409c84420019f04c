"""Convolution with 3 x 3 filters at stride 1 by Winograd's minimal filtering F(4x4, 3x3): 36 products where 144 would be needed.

Every 4 x 4 pixels of the result come from a 6 x 6 tile of the image: y = At [ (G w Gt) . (Bt x B) ] A, where the dot multiplies value by
value, so that over channels it is 36 independent matrix products, one for each frequency. The weight's gradient is
dw = Gt [ sum over tiles of (Bt x B) . (A dy At) ] G. Transforms run along channels. Tiles at the border read a vector of zeros for what
lies outside, and write what lies outside to a vector that nobody reads.
Source: Winograd 1980; Lavin & Gray 2016, Fast algorithms for convolutional neural networks (points 0, 1, -1, 2, -2, infinity).

Letters: N images, C and K channels of the image that is read and of the one that is written; G groups, each of which reads R channels and
writes M; T tiles at a time. Frequencies of T tiles lie as 36 planes (T, channels), with AIR values behind every row and every plane: 36
planes of `room` rows in all. `outside` is (1 + parts, max(C, K)): zeros that are read for pixels outside an image, then for each part a
row that takes what would be written there. `table` holds a 0, then for each part room for the addresses of a tile's pixels, twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from netspec.codegen import simd
from netspec.codegen.geometry import ADD, RECTIFY
from netspec.codegen.kernel import helper, kernel, span
from netspec.codegen.kinds import Clock, Matrix, Vector
from netspec.codegen.simd import lanes_of
from netspec.codegen.tiles import Left, Result, Right, Sums, address, multiply, panel_at, rows_at
from netspec.kernels.conv_geometry import (
    AIR,
    FREQUENCIES,
    SIDE,
    STEP,
    Chunk,
    Chunks,
    Filters,
    FrequencyProducts,
    TiledImage,
    TileScratch,
)

Terms = Sequence[tuple[float, int]]

_INPUT: list[Terms] = [  # Bt
    [(4, 0), (-5, 2), (1, 4)],
    [(-4, 1), (-4, 2), (1, 3), (1, 4)],
    [(4, 1), (-4, 2), (-1, 3), (1, 4)],
    [(-2, 1), (-1, 2), (2, 3), (1, 4)],
    [(2, 1), (-1, 2), (-2, 3), (1, 4)],
    [(4, 1), (-5, 3), (1, 5)],
]
_OUTPUT: list[Terms] = [  # At
    [(1, 0), (1, 1), (1, 2), (1, 3), (1, 4)],
    [(1, 1), (-1, 2), (2, 3), (-2, 4)],
    [(1, 1), (1, 2), (4, 3), (4, 4)],
    [(1, 1), (-1, 2), (8, 3), (-8, 4), (1, 5)],
]
_FILTER: list[Terms] = [  # G
    [(1 / 4, 0)],
    [(-1 / 6, 0), (-1 / 6, 1), (-1 / 6, 2)],
    [(-1 / 6, 0), (1 / 6, 1), (-1 / 6, 2)],
    [(1 / 24, 0), (1 / 12, 1), (1 / 6, 2)],
    [(1 / 24, 0), (-1 / 12, 1), (1 / 6, 2)],
    [(1, 2)],
]


def _turned(rows: list[Terms], width: int) -> list[Terms]:
    """The transpose of a matrix given by its rows' terms."""
    return [[(factor, i) for i, row in enumerate(rows) for factor, j in row if j == column] for column in range(width)]


class _Emitter:
    """Writes small linear maps of vectors; sums and differences that two rows share are made once."""

    def __init__(self, builder: Any, bytes: int) -> None:
        self.builder, self.bytes = builder, bytes
        self.vectors = simd.Vectors(builder, bytes, masked=False)

    def constant(self, value: float) -> Any:
        return ir.Constant(self.vectors.kind, [float(value)] * self.vectors.lanes)

    def pairs(self, rows: list[Terms]) -> list[tuple[int, int]]:
        """Rows that differ in the sign of their odd terms only: (1, 2) and (3, 4) of the matrices above."""
        found: list[tuple[int, int]] = []
        for i in range(len(rows) - 1):
            a, b = dict((j, f) for f, j in rows[i]), dict((j, f) for f, j in rows[i + 1])
            if (
                a.keys() == b.keys()
                and len(a) > 1
                and a != b
                and all(abs(a[j]) == abs(b[j]) for j in a)
                and not any(i in p for p in found)
            ):
                found.append((i, i + 1))
        return found

    def apply(self, rows: list[Terms], values: Sequence[Any]) -> list[Any]:
        """The products of a matrix's rows with a column of vectors."""
        result: list[Any] = [None] * len(rows)
        for one, other in self.pairs(rows):
            signs = {j: f for f, j in rows[other]}
            same = [(f, j) for f, j in rows[one] if signs[j] == f]
            flipped = [(f, j) for f, j in rows[one] if signs[j] != f]
            even, odd = self.row(same, values), self.row(flipped, values)
            result[one], result[other] = self.builder.fadd(even, odd), self.builder.fsub(even, odd)
        for i, row in enumerate(rows):
            if result[i] is None:
                result[i] = self.row(row, values)
        return result

    def row(self, terms: Terms, values: Sequence[Any]) -> Any:
        """One product; terms of equal factors are added before they are multiplied."""
        total = None
        for factor in dict.fromkeys(abs(f) for f, _ in terms):
            group = [(f, j) for f, j in terms if abs(f) == factor]
            first, *rest = group
            value = values[first[1]]
            for f, j in rest:
                value = (self.builder.fadd if (f > 0) == (first[0] > 0) else self.builder.fsub)(value, values[j])
            factor = first[0]
            if total is None:
                total = value if factor == 1 else self.builder.fmul(self.constant(factor), value)
            elif abs(factor) == 1:
                total = (self.builder.fadd if factor > 0 else self.builder.fsub)(total, value)
            else:
                total = self.vectors.multiply_add(self.constant(factor), value, total)
        return total

    def square(self, rows: list[Terms], side: int, load: Callable[[int, int], Any]) -> list[list[Any]]:
        """rows X rows^T for a side x side matrix X of vectors."""
        builder, kind = self.builder, self.vectors.kind
        half = [[cgutils.alloca_once(builder, kind) for _ in range(side)] for _ in rows]
        for j in range(side):
            for i, value in enumerate(self.apply(rows, [load(i, j) for i in range(side)])):
                builder.store(value, half[i][j])
        return [self.apply(rows, [builder.load(place) for place in line]) for line in half]


def _pointer(builder: Any, address: Any, bytes: int) -> Any:
    return builder.inttoptr(address, (ir.FloatType() if bytes == 4 else ir.DoubleType()).as_pointer())


def _from_table(builder: Any, table: Any, index: int, offset: Any, bytes: int) -> Any:
    """The address in a table's entry, `offset` values on."""
    entry = builder.load(builder.gep(builder.inttoptr(table, ir.IntType(64).as_pointer()), [simd.number(index)]))
    return builder.gep(_pointer(builder, entry, bytes), [offset])


def _transform(rows: list[Terms], side: int, tabled: bool) -> Any:
    """The intrinsic (like, source, step, out, plane): side x side vectors, transformed, to out[frequency * plane].

    `tabled`, source is a table of their addresses and they lie `step` values on; else they lie at source[index * step].
    """

    def transform(typing: Any, like: Any, source: Any, step: Any, out: Any, plane: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            bytes = like.dtype.bitwidth // 8
            _, source, step, out, plane = args
            emit, to = _Emitter(builder, bytes), _pointer(builder, out, bytes)

            def load(i: int, j: int) -> Any:
                index = i * side + j
                if tabled:
                    return emit.vectors.load(_from_table(builder, source, index, step, bytes), None)
                at = builder.gep(_pointer(builder, source, bytes), [builder.mul(step, simd.number(index))])
                return emit.vectors.load(at, None)

            for i, line in enumerate(emit.square(rows, side, load)):
                for j, value in enumerate(line):
                    emit.vectors.store(
                        value, builder.gep(to, [builder.mul(plane, simd.number(i * len(rows) + j))]), None
                    )
            return context.get_dummy_value()

        return types.void(like, *[types.int64] * 4), generate

    return intrinsic(transform)


@intrinsic  # type: ignore[untyped-decorator]
def transform_back(
    typing: Any, like: Any, source: Any, plane: Any, table: Any, offset: Any, bias: Any, mode: Any
) -> Any:
    """source[frequency * plane], transformed, to the table's 4 x 4 addresses + offset: plus the vector at `bias` (0: none), rectified or
    added to what is there as the tile's `mode` says."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bytes = like.dtype.bitwidth // 8
        _, source, plane, table, offset, bias, mode = args
        emit, frm = _Emitter(builder, bytes), _pointer(builder, source, bytes)
        vectors, zero = emit.vectors, simd.number(0)
        constant = cgutils.alloca_once_value(builder, vectors.zero)
        with builder.if_then(builder.icmp_signed("!=", bias, zero)):
            builder.store(vectors.load(_pointer(builder, bias, bytes), None), constant)
        lowest = ir.Constant(vectors.kind, [float("-inf")] * vectors.lanes)
        rectify = builder.icmp_signed("!=", builder.and_(mode, simd.number(RECTIFY)), zero)
        floor = builder.select(rectify, vectors.zero, lowest)

        def load(i: int, j: int) -> Any:
            return vectors.load(builder.gep(frm, [builder.mul(plane, simd.number(i * SIDE + j))]), None)

        added = builder.load(constant)
        values = [builder.fadd(value, added) for line in emit.square(_OUTPUT, SIDE, load) for value in line]
        places = [_from_table(builder, table, index, offset, bytes) for index in range(len(values))]
        with builder.if_else(builder.icmp_signed("!=", builder.and_(mode, simd.number(ADD)), zero)) as (
            adding,
            writing,
        ):
            with adding:
                for value, place in zip(values, places, strict=True):
                    vectors.store(builder.fadd(vectors.load(place, None), value), place, None)
            with writing:
                for value, place in zip(values, places, strict=True):
                    vectors.store(builder.select(builder.fcmp_ordered("<", value, floor), floor, value), place, None)
        return context.get_dummy_value()

    return types.void(like, *[types.int64] * 6), generate


transform_image = _transform(_INPUT, SIDE, tabled=True)
transform_diff = _transform(_turned(_OUTPUT, SIDE), STEP, tabled=True)
transform_filter = _transform(_FILTER, 3, tabled=False)
transform_filter_back = _transform(_turned(_FILTER, 3), SIDE, tabled=False)


@helper
def inner_places(table: Clock, x: Vector, image: TiledImage, side: int) -> None:
    """table[: side*side] = the addresses of a tile's pixels, were it to begin where x does: for every tile that has all its pixels."""
    size = image.pitch * x.itemsize
    for i in range(side):
        for j in range(side):
            table[i * side + j] = address(x, 0) + (i * image.width + j) * size


@helper
def place_tile(
    table: Clock, x: Vector, image: TiledImage, tile: int, pad: int, side: int, outside: int
) -> tuple[int, int]:
    """(address of a table of a tile's pixels, how far from those addresses they lie). A tile begins `pad` pixels before every fourth.

    Where all its pixels are in the image, that is the table of `inner_places`; else one made behind it, with `outside` for the others.
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
def gradient_products(
    source: Vector,
    diff: Vector,
    piece: Vector,
    offsets: int,
    product: FrequencyProducts,
    shares: int,
    begin: int,
    end: int,
    count: int,
    room: int,
    mode: int,
) -> None:
    """piece[f, group] (R, M) = (with mode ADD: +=) source[f]^T (R, count) diff[f] (count, M). `begin` to `end` count (frequency, share).

    source, diff: the planes of `room` tiles; piece: (36, G, R, M). `offsets` is the address of a 0.
    """
    r, m, panel, most, groups = product.channels, product.filters, product.panel, product.most, product.groups
    lanes, panels = lanes_of(source), (m + panel - 1) // panel
    blocks = (r + most - 1) // most
    rows = (r + blocks - 1) // blocks
    more = r - blocks * (rows - 1)
    row_in, row_out = row_of(groups * r), row_of(groups * m)
    plane_in, plane_out = plane_of(groups * r, room), plane_of(groups * m, room)
    sums = Sums(1, offsets, count)
    for job in range(begin, end):
        f = job // shares
        low, high = span(groups * panels, job % shares, shares)
        for gp in range(low, high):
            group, p = gp // panels, gp % panels
            _, tail, whole = panel_at(p * panel, panel, m, lanes)
            edge = 0 if whole else most + 1
            b = Right(address(diff, f * plane_out + group * m + p * panel), 0, row_out)
            for block in range(blocks):
                v, tall = rows_at(block, rows, more)
                a = Left(address(source, f * plane_in + group * r + v), 1, row_in)
                c = Result(address(piece, ((f * groups + group) * r + v) * m + p * panel), m, 0, mode, tail)
                multiply(product.codes[edge + tall], sums, a, b, c)


@helper
def table_of(table: Clock, part: int) -> Clock:
    """A part's room for addresses, (72,)."""
    return table[1 + 2 * part * FREQUENCIES : 1 + 2 * (part + 1) * FREQUENCIES]


@kernel
def clear_outside(outside: Matrix, table: Clock, part: int, parts: int) -> None:
    """The row of zeros that stands for pixels outside of an image, and the offset (0) of a product's only tap, which is table[0]."""
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
    """y = x * w in one go, for few channels: a part takes chunks of tiles from the image to the result; its scratch stays in its cache.

    x: (N, height, width, C), packed: as `filters_to_frequencies` has it, bias: (K,) or empty, y: (N, height, width, K).
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
    """near[frequency][tile - first] = the transforms of a chunk's tiles of x, or with `diff` of the top's diff. A part owns tiles.

    x: (N, height, width, channels), near: the planes of a chunk.
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
    """A chunk's tiles of y (N, height, width, K) from their frequencies, the planes `far`; bias: (K,) or empty. A part owns tiles."""
    begin, end = span(chunk.last - chunk.first, part, parts)
    begin, end = chunk.first + begin, chunk.first + end
    scatter(far, y, bias, outside[1 + part], table_of(table, part), image, chunk, begin, end, mode)


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
    part: int,
    parts: int,
) -> None:
    """pieces[part] (36, G, R, M) = the sums over the part's tiles, for few channels.

    x: (N, height, width, C), dy: (N, height, width, K).
    """
    near, far, outside, own = scratch.near[part], scratch.far[part], scratch.outside, table_of(scratch.table, part)
    offsets, room = address(scratch.table, 0), chunks.room
    begin, end = span(chunks.number, part, parts)
    for number in range(begin, end):
        first, last = span(chunks.tiles, number, chunks.number)
        chunk = Chunk(first, last, room)
        gather(x, outside[0], own, source, chunk, first, last, near)
        gather_diff(dy, outside[0], own, target, chunk, first, last, far)
        mode, count = ADD if number > begin else 0, last - first
        gradient_products(near, far, pieces[part], offsets, product, 1, 0, FREQUENCIES, count, room, mode)


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
    """piece (36, G, R, M) = (with mode ADD: +=) the sums over a chunk's tiles, whose planes are `near` and `far`.

    A part owns frequencies, or shares of one: no partial sums.
    """
    shares = max(1, parts // FREQUENCIES)
    begin, end = span(FREQUENCIES * shares, part, parts)
    offsets, count = address(table, 0), chunk.last - chunk.first
    gradient_products(near, far, piece, offsets, product, shares, begin, end, count, chunk.room, mode)


@kernel
def filters_to_frequencies(w: Vector, packed: Vector, scratch: Matrix, filters: Filters, part: int, parts: int) -> None:
    """w: (K, R, 3, 3). packed: [frequency][group][column block][value][panel], as `conv.pack` has them.

    Where `filters.turned`, for the bottom's diff, values are a group's filters, columns its channels, and the filter is turned about.
    scratch: (parts, 9 vectors). A part owns values of column blocks.
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


@kernel
def frequencies_to_filters(
    piece: Vector, dw: Vector, scratch: Matrix, groups: int, k: int, r: int, add: int, part: int, parts: int
) -> None:
    """piece: (36, G, R, M), dw: (K, R, 3, 3). dw = (with `add`: +=) the piece transformed back. A part owns channels.

    scratch: (parts, 9 vectors).
    """
    lanes, m, near = lanes_of(dw), k // groups, scratch[part]
    plane = groups * r * m
    for row in range(*span(groups * r, part, parts)):
        g, c = row // r, row % r
        for j in range(0, m, lanes):
            transform_filter_back(dw, address(piece, row * m + j), plane, address(near, 0), lanes)
            for i in range(lanes):
                to = ((g * m + j + i) * r + c) * 9
                for t in range(9):
                    value = near[t * lanes + i]
                    dw[to + t] = dw[to + t] + value if add else value
