"""Register tiles: the innermost products of convolution and InnerProduct, compiled for each size and called by address.

C[r, j] = sum over taps t and products i of A[offsets[t] + r*pitch + i*step] * B[t, i, j], for `rows` rows r and
`vectors` vectors of columns j, the last of which may be cut short. The sums live in registers. A is read value by
value, so its strides are free: images are multiplied where they lie, whatever the filter's size, stride and dilation,
and a transpose is a matter of two strides. Rows of B and C are contiguous; B is weights packed into panels, or rows of
a blob. `tiling` picks the size of the tile.
Source: Goto & van de Geijn 2008, Anatomy of high-performance matrix multiplication; Georganas et al. 2018, direct
convolution.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.geometry import ADD, RECTIFY, Tiling
from netspec.codegen.intrinsics import intrinsic
from netspec.codegen.kernel import Compiled, helper
from netspec.codegen.tile_loops import TOGETHER, Loop

MOST_ROWS = {1: 14, 2: 14, 3: 9, 4: 6} if simd.REGISTERS == 32 else {1: 12, 2: 6, 3: 4, 4: 2}
"""Most rows of a tile, by its vectors: sums, a row of B and a value of A fit the vector registers."""


Kind = Literal["any", "across", "rows", "near"]
"""Kinds of tile, by A's strides: any; `rows` for any too; `across` where its pitch is 1, as in gradients, whose rows
lie side by side; `near` where its step is 1 and its pitch APART, as in scratch. All compute the same bits. All but
`any` prefetch what they write, and what their caller says comes next, `rows` into the second cache; tiles near also
B."""
KINDS = get_args(Kind)


class Sums(NamedTuple):
    """The sums of a tile: over taps t and products i."""

    taps: int  # number of taps
    offsets: int  # address of where each tap's values begin in A, int64
    products: int  # number of products of a tap


class Left(NamedTuple):
    """A, read value by value: the i-th of row r is at `address`, offsets[t] + r*pitch + i*step values on."""

    address: int
    pitch: int
    step: int


class Right(NamedTuple):
    """B, whose rows are read in vectors: the row of product i is at `address`, t*tap + i*pitch values on."""

    address: int
    tap: int
    pitch: int


class Result(NamedTuple):
    """C, whose row r is written at `address`, r*pitch values on."""

    address: int
    pitch: int
    bias: int  # address of what is added to every row; 0: nothing
    mode: int  # bits ADD and RECTIFY
    tail: int  # columns of the last vector


class Ahead(NamedTuple):
    """What will be read after this tile, in bytes: the i-th prefetch of tap t is of the cache line t*tap + i*step on.

    Tiles near prefetch with every product; tiles across with every second one, into the second cache, as more at a time
    would wait for each other. Where it is left out of a call, nothing is prefetched; tiles for any strides never do.
    Any address is allowed.
    """

    address: int
    tap: int
    step: int


class Awaited(NamedTuple):
    """What will be written after this tile, in bytes: product i prefetches the cache line i*step on, for writing.

    Only tiles near do so.
    """

    address: int
    step: int


_GROUPS: tuple[Any, ...] = (Sums, Left, Right, Result, Ahead, Awaited)
_NAMES = [f"{group.__name__.lower()}_{field}" for group in _GROUPS for field in group._fields]
WORDS = cast(Any, namedtuple("WORDS", _NAMES))
"""Arguments of a tile's code. Addresses are in bytes, all else in values."""

multiply = simd.caller(len(WORDS._fields), optional=len(Ahead._fields) + len(Awaited._fields))
"""multiply(code, Sums(...), Left(...), Right(...), Result(...)[, Ahead(...)[, Awaited(...)]]): call a tile."""


def _emit(kind: Kind, rows: int, vectors: int, bytes: int) -> Any:
    """The intrinsic of a kind and size of tile for numbers of `bytes` bytes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        words: Any = WORDS(*args)
        whole, cut = simd.Vectors(builder, bytes, masked=False), simd.Vectors(builder, bytes, masked=True)
        element = whole.kind.element.as_pointer()
        c, bias = (builder.inttoptr(address, element) for address in (words.result_address, words.result_bias))
        mask = cut.mask(words.result_tail)
        sums = [[cgutils.alloca_once_value(builder, whole.zero) for _ in range(vectors)] for _ in range(rows)]

        def load(row: Any, v: int) -> Any:
            return cut.load(row, mask, v) if v == vectors - 1 else whole.load(row, None, v)

        def store(value: Any, row: Any, v: int) -> None:
            (cut if v == vectors - 1 else whole).store(value, row, mask, v)

        def add_products(factor: Any, values: list[Any], line: list[Any]) -> None:
            for total, value in zip(line, values, strict=True):
                builder.store(whole.multiply_add(whole.spread(factor), value, builder.load(total)), total)

        def add_all(load_b: Any, together: int) -> None:
            _add_all(kind, words, Loop(builder, bytes, sums, load_b, add_products, together))

        if kind != "any":
            Loop(builder, bytes, sums, load, add_products).expect_result(words)
        uncut = builder.icmp_signed("==", words.result_tail, simd.number(whole.lanes))
        with builder.if_else(uncut) as (unmasked, masked):  # a load with a mask takes the time of a product
            with unmasked:
                add_all(lambda row, v: whole.load(row, None, v), TOGETHER)
            with masked:
                add_all(load, 1)
        _finish(builder, whole, sums, load, store, (c, words.result_pitch, bias, words.result_mode))
        return context.get_dummy_value()

    return simd.intrinsic_of(WORDS._fields, generate)


def _add_all(kind: Kind, words: Any, body: Loop) -> None:
    """Add the products of all taps to the sums."""
    builder = body.builder
    offsets = builder.inttoptr(words.sums_offsets, ir.IntType(64).as_pointer())
    nothing = builder.icmp_signed("==", words.ahead_address, simd.number(0))
    ahead = builder.select(nothing, words.left_address, words.ahead_address)
    with cgutils.for_range(builder, words.sums_taps) as tap:
        offset = builder.load(builder.gep(offsets, [tap.index]))
        a = builder.add(words.left_address, body.in_bytes(offset))
        b = builder.add(words.right_address, body.in_bytes(builder.mul(tap.index, words.right_tap)))
        soon = builder.add(ahead, builder.mul(tap.index, words.ahead_tap))
        if kind == "any":
            body.any_steps(words, a, b)
        elif kind == "rows":
            body.any_steps(words, a, b, soon)
        else:
            steps = body.across_steps if kind == "across" else body.near_steps
            steps(words, (a, b, soon))


def _finish(
    builder: Any, whole: Any, sums: Any, load: Callable[..., Any], store: Callable[..., Any], ends: tuple[Any, ...]
) -> None:
    """Add the bias and what C holds, rectify, and write C.

    C is written row by row, so that rows may overlap.
    """
    c, ldc, bias, mode = ends
    zero = simd.number(0)
    lines = [builder.gep(c, [builder.mul(ldc, simd.number(r))]) for r in range(len(sums))]
    constants = [cgutils.alloca_once_value(builder, whole.zero) for _ in sums[0]]
    with builder.if_then(builder.icmp_unsigned("!=", bias, ir.Constant(bias.type, None))):
        for v, constant in enumerate(constants):
            builder.store(load(bias, v), constant)
        for line in sums:
            for total, constant in zip(line, constants, strict=True):
                builder.store(builder.fadd(builder.load(total), builder.load(constant)), total)
    lowest = ir.Constant(whole.kind, [float("-inf")] * whole.lanes)
    floor = builder.select(
        builder.icmp_signed("!=", builder.and_(mode, simd.number(RECTIFY)), zero), whole.zero, lowest
    )

    def finish(add: bool) -> None:
        for line, place in zip(sums, lines, strict=True):
            for v, total in enumerate(line):
                value = builder.load(total)
                value = builder.fadd(value, load(place, v)) if add else value
                store(builder.select(builder.fcmp_ordered("<", value, floor), floor, value), place, v)

    with builder.if_else(builder.icmp_signed("!=", builder.and_(mode, simd.number(ADD)), zero)) as (adding, writing):
        with adding:
            finish(True)
        with writing:
            finish(False)


class Tile(Compiled):
    """A kind and size of tile."""

    def __init__(self, kind: Kind, rows: int, vectors: int) -> None:
        super().__init__(f"tiles.{kind}_{rows}_{vectors}")
        self.kind, self.rows, self.vectors = kind, rows, vectors

    @property
    def weight(self) -> int:
        """A rough measure of how long it takes to compile."""
        return 350 + (25 if self.kind == "any" else 70) * self.rows * self.vectors

    def wrapper(self, dtype: str) -> tuple[Callable[..., Any], int]:
        """The function to compile, and its number of arguments."""
        name = f"{self.name.replace('.', '_')}_{dtype}"
        words = ", ".join(WORDS._fields)
        code = _emit(self.kind, self.rows, self.vectors, 4 if dtype == "float32" else 8)
        scope = {"tile": code, "__name__": __name__}
        exec(compile(f"def {name}({words}):\n    tile({words})\n", __file__, "exec"), scope)
        return cast(Callable[..., Any], scope[name]), len(WORDS._fields)


_made = cache(Tile)


def tile(rows: int, vectors: int, kind: Kind = "any") -> Tile:
    """The tile of a size and kind: one object, however it is asked for."""
    return _made(kind, rows, vectors)


def __getattr__(name: str) -> Tile:
    """`across_14_2`: by its name, for the process that compiles others' kernels."""
    kind, *size = name.split("_")
    if kind not in KINDS or len(size) != 2:
        raise AttributeError(name)
    return tile(int(size[0]), int(size[1]), cast(Kind, kind))


def lanes(dtype: str) -> int:
    """Numbers in a vector of the host."""
    return simd.BYTES // (4 if dtype == "float32" else 8)


@intrinsic
def address(typing: Any, array: Any, offset: Any) -> Any:
    """The address of array[offset], for a flat array."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(simd.place(context, builder, signature.args[0], args[0], args[1]), ir.IntType(64))

    return types.int64(array, types.int64), generate


@helper
def every_second(row: int, step: int, number: int) -> Ahead:
    """What a tile across prefetches of rows `step` bytes apart, the first at address `row`: a line of half of them.

    Tiles of an even number take every second row from the first on, those of an odd one from the second on. The line is
    `number` // 2 lines behind a row's beginning.
    """
    return Ahead(row + number // 2 * simd.LINE + number % 2 * step, 0, 2 * step)


@helper
def panel_at(first: int, panel: int, columns: int, lanes: int) -> tuple[int, int, bool]:
    """(columns, those of the last vector, whether it is whole) of the panel that begins at column `first`."""
    some = min(panel, columns - first)
    vectors = (some + lanes - 1) // lanes
    return some, some - (vectors - 1) * lanes, vectors * lanes == panel


@helper
def rows_at(block: int, rows: int, more: int) -> tuple[int, int]:
    """The first row of a block and its number of rows: `rows` in the first `more` blocks, one less in the others."""
    return (block * rows, rows) if block < more else (more + block * (rows - 1), rows - 1)


@helper
def tiles_of(tiles: Tiling, p: int, columns: int) -> tuple[int, int, int, int]:
    """(columns, those of the last vector, tall tile, low tile) of the p-th panel of a result with so many columns."""
    some, tail, whole = panel_at(p * tiles.panel, tiles.panel, columns, tiles.lanes)
    return (some, tail, tiles.tall, tiles.low) if whole else (some, tail, tiles.tall_edge, tiles.low_edge)


_ONE_TAP = np.zeros(1, np.int64)


@helper
def one_tap() -> int:
    """The address of the offsets of a product that has a single tap, which begins where A does."""
    return address(_ONE_TAP, 0)  # type: ignore[no-any-return]


@cache
def tiling(count: int, columns: int, dtype: str, kind: Kind = "any") -> Tiling:
    """The tiles of a product, by its size alone on one kind of CPU; `kind` says what is known of A's strides.

    They are tall ones of two vectors where that is possible, with blocks of rows as equal as can be.
    """
    wide = lanes(dtype)
    vectors = -(-columns // wide)
    across = vectors if vectors <= 3 and MOST_ROWS[vectors] >= 4 * vectors - 3 else 2
    edge = vectors % across or across
    most = min(MOST_ROWS[across], MOST_ROWS[edge])
    blocks = -(-count // most)
    rows = -(-count // blocks)
    low = max(1, rows - 1)
    tiles = (tile(r, vectors, kind) for vectors in (across, edge) for r in (rows, low))
    return Tiling(wide, across * wide, blocks, rows, count - blocks * (rows - 1), *tiles)


def by_rows(
    counts: Iterable[int], columns: int, dtype: str, kind: Kind = "any"
) -> tuple[int, int, tuple[Tile | None, ...]]:
    """Columns of a panel, rows of a tile at most, and the tiles by their rows, for products of these numbers of rows.

    Whole panels' tiles come first, from 0 rows to most, then the last panel's.
    """
    cuts = [tiling(count, columns, dtype, kind) for count in counts]
    across, edge = cuts[0].tall.vectors, cuts[0].tall_edge.vectors
    most = min(MOST_ROWS[across], MOST_ROWS[edge])
    rows = {r for cut in cuts for r in (cut.rows, *((cut.rows - 1,) if cut.more < cut.blocks else ()))}
    codes = (tile(r, vectors, kind) if r in rows else None for vectors in (across, edge) for r in range(most + 1))
    return cuts[0].panel, most, tuple(codes)
