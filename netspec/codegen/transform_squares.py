"""What transforms of Winograd's minimal filtering do to a square of vectors, in LLVM's own language.

Squares lie as pixels, at the addresses of a table, and as frequencies, each in a plane. On their way they may be seen
through a BatchNorm, or leave sums for one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.geometry import ADD, RECTIFY

Terms = Sequence[tuple[float, int]]
"""A row of a matrix: what is not 0 in it, as (factor, column)."""
Rows = list[Terms]


class Places(NamedTuple):
    """Where the vectors of squares lie, on the side of pixels: at the addresses of a table."""

    table: int  # address of the table
    start: int  # values to add to its addresses, for the first square
    apart: int  # values from one square to the next


class Planes(NamedTuple):
    """Where the frequencies of squares lie: each in a plane of its own."""

    address: int
    apart: int  # values from one square to the next
    plane: int  # values from one frequency to the next


class Span(NamedTuple):
    """How many squares are transformed, and what is done to results beside."""

    squares: int
    tail: int  # values of the last square's vectors, where the code is `cut`
    bias: int  # address of what is added to the results, a vector for each square; 0: nothing
    mode: int  # bits ADD and RECTIFY
    sight: int  # address of the table of a Sight, where the code sees pixels through one


class Sight(NamedTuple):
    """What pixels are seen through on their way to frequencies, as a table of words; addresses but for the last two.

    Rows of channels serve all squares. Outside the image, where a place of the squares is that of `outside`, pixels are
    0. `x` and what follows is there for kinds that are `pulled`: see `core.beside.Pull`; those that are `seen` need
    factor, offset and mode. Where a pixel lies outside, its place in the table `x` is that of `centre`. Tiles of the
    result that leave something have the places of its sums as `of_dy` and `of_x`, in float64, and the pivot of moments
    as `centre`.
    """

    outside: int  # a row of zeros
    factor: int
    offset: int
    centre: int
    of_dy: int
    of_x: int
    shift: int
    x: int  # the table of the places of x
    start: int  # values to add to the addresses of x, for the first square
    mode: int  # RECTIFY where values below 0 are cut


class Emitter:
    """Writes small linear maps of vectors; sums and differences that two rows share are made once."""

    def __init__(self, builder: Any, bytes: int, masked: bool) -> None:
        self.builder = builder
        self.vectors = simd.Vectors(builder, bytes, masked)

    def constant(self, value: float) -> Any:
        """A number in every lane."""
        return ir.Constant(self.vectors.kind, [float(value)] * self.vectors.lanes)

    def pairs(self, rows: Rows) -> list[tuple[int, int]]:
        """Rows that differ in the sign of some terms only, as those of a point and of its negative do."""
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

    def apply(self, rows: Rows, values: Sequence[Any]) -> list[Any]:
        """The products of a matrix's rows with a column of vectors."""
        result: list[Any] = [None] * len(rows)
        for one, other in self.pairs(rows):
            signs = {j: f for f, j in rows[other]}
            same = [(f, j) for f, j in rows[one] if signs[j] == f]
            flipped = [(f, j) for f, j in rows[one] if signs[j] != f]
            factor = abs(flipped[0][0]) if len({abs(f) for f, _ in flipped}) == 1 else 1.0
            even, odd = self.row(same, values), self.row([(f / factor, j) for f, j in flipped], values)
            result[one], result[other] = self.plus(even, factor, odd), self.plus(even, -factor, odd)
        for i, row in enumerate(rows):
            if result[i] is None:
                result[i] = self.row(row, values)
        return result

    def row(self, terms: Terms, values: Sequence[Any]) -> Any:
        """One product; terms of equal factors are added before they are multiplied, those that need no factor first."""
        total = None
        for size in sorted({abs(f) for f, _ in terms}, key=lambda size: size != 1):
            (sign, j), *rest = sorted(((f / size, j) for f, j in terms if abs(f) == size), key=lambda term: -term[0])
            value = values[j]
            for f, j in rest:
                value = (self.builder.fadd if f == sign else self.builder.fsub)(value, values[j])
            if total is not None:
                total = self.plus(total, sign * size, value)
            else:
                total = value if sign * size == 1 else self.builder.fmul(self.constant(sign * size), value)
        return total

    def plus(self, total: Any, factor: float, value: Any) -> Any:
        """total + factor * value."""
        if abs(factor) == 1:
            return (self.builder.fadd if factor > 0 else self.builder.fsub)(total, value)
        return self.vectors.multiply_add(self.constant(factor), value, total)

    def square(self, rows: Rows, side: int, load: Callable[[int, int], Any]) -> list[list[Any]]:
        """rows X rows^T for a side x side matrix X of vectors."""
        columns = [self.apply(rows, [load(i, j) for i in range(side)]) for j in range(side)]
        return [self.apply(rows, [column[i] for column in columns]) for i in range(len(rows))]


class Ends:
    """Where a call reads and writes: the places of a table, and the planes of frequencies, of the square at hand."""

    def __init__(self, emit: Emitter, args: Sequence[Any], square: Any) -> None:
        self.builder, self.vectors = emit.builder, emit.vectors
        self.table, start, apart, planes, next_planes, self.plane, squares, tail, *_ = args
        builder, number = self.builder, simd.number
        self.start = builder.add(start, builder.mul(square, apart))
        self.frequencies = builder.gep(self.pointer(planes), [builder.mul(square, next_planes)])
        last = builder.icmp_signed("==", square, builder.sub(squares, number(1)))
        wide = number(self.vectors.lanes)
        self.mask = self.vectors.mask(builder.select(last, tail, wide)) if self.vectors.masked else None
        self.whole = simd.Vectors(builder, self.vectors.bytes, masked=False)

    def pointer(self, address: Any) -> Any:
        """An address as that of numbers."""
        return self.builder.inttoptr(address, self.vectors.kind.element.as_pointer())

    def entry(self, table: Any, index: int) -> Any:
        """A word of the table at an address."""
        entries = self.builder.inttoptr(table, ir.IntType(64).as_pointer())
        return self.builder.load(self.builder.gep(entries, [simd.number(index)]))

    def place(self, index: int) -> Any:
        """The place of a pixel's vector."""
        return self.builder.gep(self.pointer(self.entry(self.table, index)), [self.start])

    def frequency(self, index: int) -> Any:
        """The place of a frequency's vector."""
        return self.builder.gep(self.frequencies, [self.builder.mul(self.plane, simd.number(index))])

    def read(self, place: Any) -> Any:
        """The channels of a pixel, or of a row of channels."""
        return self.vectors.load(place, self.mask)

    def write(self, value: Any, place: Any) -> None:
        """Write the channels of a pixel."""
        self.vectors.store(value, place, self.mask)


def _sight(builder: Any, address: Any) -> Sight:
    """The words of a Sight's table."""
    table = builder.inttoptr(address, ir.IntType(64).as_pointer())
    return Sight(*(builder.load(builder.gep(table, [simd.number(i)])) for i in range(len(Sight._fields))))


def _floor(ends: Ends, sight: Sight) -> Any:
    """0 where values are cut; else NaN, which nothing is below."""
    rectify = ends.builder.icmp_signed("!=", sight.mode, simd.number(0))
    never = ir.Constant(ends.vectors.kind, [float("nan")] * ends.vectors.lanes)
    return ends.builder.select(rectify, ends.vectors.zero, never)


class _Seen:
    """Pixels of the square at hand, seen through a lens, or `pulled`."""

    def __init__(self, ends: Ends, sight: Any, square: Any, pulled: bool) -> None:
        self.ends, self.builder, self.pulled = ends, ends.builder, pulled
        builder, vectors = ends.builder, ends.vectors
        self.from_first = builder.mul(square, simd.number(vectors.lanes))
        self.sight = sight = _sight(builder, sight)
        self.factor, self.floor = self._row(sight.factor), _floor(ends, sight)
        if pulled:
            self.offset = self._row(sight.offset)
            self.centre, self.of_dy, self.of_x = map(self._row, (sight.centre, sight.of_dy, sight.of_x))

    def pixel(self, index: int) -> Any:
        """The pixel of a place."""
        builder, sight, fused = self.builder, self.sight, self.ends.vectors.multiply_add
        value = self.ends.read(self.ends.place(index))
        outside = builder.icmp_signed("==", self.ends.entry(self.ends.table, index), sight.outside)
        constant = self._row(builder.select(outside, sight.outside, sight.shift if self.pulled else sight.offset))
        if not self.pulled:
            seen = fused(value, self.factor, constant)
            return builder.select(builder.fcmp_ordered("<", seen, self.floor), self.floor, seen)
        at = builder.add(sight.start, self.from_first)
        x = self.ends.read(builder.gep(self.ends.pointer(self.ends.entry(sight.x, index)), [at]))
        low = builder.fcmp_ordered("<=", fused(x, self.factor, self.offset), self.floor)
        dy = builder.select(low, self.ends.vectors.zero, value)
        off = fused(self.of_x, builder.fsub(x, self.centre), constant)
        return fused(self.of_dy, dy, builder.fneg(off))

    def _row(self, address: Any) -> Any:
        return self.ends.read(self.builder.gep(self.ends.pointer(address), [self.from_first]))


def forth(emit: Emitter, ends: Ends, rows: Rows, side: int, _: Sequence[Any]) -> None:
    """Pixels to frequencies."""
    _to_frequencies(emit, ends, rows, side, lambda index: ends.read(ends.place(index)))


def seen(emit: Emitter, ends: Ends, rows: Rows, side: int, more: Sequence[Any]) -> None:
    """Pixels, seen through a lens, to frequencies."""
    *_, sight, square = more
    _to_frequencies(emit, ends, rows, side, _Seen(ends, sight, square, pulled=False).pixel)


def pulled(emit: Emitter, ends: Ends, rows: Rows, side: int, more: Sequence[Any], once: bool = False) -> None:
    """Pixels of dy, seen as the gradient behind a BatchNorm, to frequencies; with `once` they are written back so.

    Those of a large square are all seen and stored before the first is used: registers have no room for both at a time.
    """
    *_, sight, square = more
    builder, seen = emit.builder, _Seen(ends, sight, square, pulled=True)

    def pixel(index: int) -> Any:
        value = seen.pixel(index)
        if once:  # the sum is 0 outside, and never -0: parts share the row that is read there
            ends.write(builder.fadd(value, ends.vectors.zero), ends.place(index))
        return value

    if side * side <= simd.REGISTERS // 2:
        _to_frequencies(emit, ends, rows, side, pixel)
        return
    near = [cgutils.alloca_once(builder, emit.vectors.kind) for _ in range(side * side)]
    for index, place in enumerate(near):
        builder.store(pixel(index), place)
        nothing = ir.FunctionType(ir.VoidType(), [place.type])
        builder.asm(nothing, "", "r,~{memory}", [place], side_effect=True)
    _to_frequencies(emit, ends, rows, side, lambda index: builder.load(near[index]))


def pulled_once(emit: Emitter, ends: Ends, rows: Rows, side: int, more: Sequence[Any]) -> None:
    """Pixels of dy, seen as the gradient behind a BatchNorm and written back as that, to frequencies."""
    pulled(emit, ends, rows, side, more, once=True)


def _to_frequencies(emit: Emitter, ends: Ends, rows: Rows, side: int, pixel: Callable[[int], Any]) -> None:
    lines = emit.square(rows, side, lambda i, j: pixel(i * side + j))
    for index, value in enumerate(value for line in lines for value in line):
        ends.whole.store(value, ends.frequency(index), None)


class _Leaving:
    """What a square's pixels leave for a BatchNorm beside, when they have their values: sums in float64."""

    def __init__(self, emit: Emitter, ends: Ends, sight: Any, square: Any) -> None:
        self.emit, self.ends, self.builder = emit, ends, emit.builder
        self.from_first = emit.builder.mul(square, simd.number(ends.vectors.lanes))
        self.sight = _sight(emit.builder, sight)
        self.sums: list[list[Any]] = []

    def pixel(self, index: int, value: Any) -> Any:
        """The value of a pixel that is written."""
        raise NotImplementedError

    def finish(self) -> None:
        """Add the sums to those of the piece."""
        for address, values in zip((self.sight.of_dy, self.sight.of_x), zip(*self.sums, strict=True), strict=True):
            terms = list(values)
            while len(terms) > 1:
                terms = [self.builder.fadd(a, b) for a, b in zip(terms[::2], terms[1::2], strict=True)]
            place = self.doubles(address)
            total = self.builder.fpext(terms[0], place.type.pointee) if self.ends.vectors.bytes == 4 else terms[0]
            self.builder.store(self.builder.fadd(self.builder.load(place, align=8), total), place, align=8)

    def doubles(self, address: Any) -> Any:
        """The place of this square in a row of float64."""
        row = self.builder.inttoptr(address, ir.DoubleType().as_pointer())
        kind = ir.VectorType(ir.DoubleType(), self.ends.vectors.lanes)
        return self.builder.bitcast(self.builder.gep(row, [self.from_first]), kind.as_pointer())

    def row(self, address: Any) -> Any:
        """This square in a row of channels."""
        return self.ends.read(self.builder.gep(self.ends.pointer(address), [self.from_first]))


class _Moments(_Leaving):
    """The sums of y - centre and of its square."""

    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        pivot = self.builder.load(self.doubles(self.sight.centre), align=8)
        self.pivot = self.builder.fptrunc(pivot, self.ends.vectors.kind) if self.ends.vectors.bytes == 4 else pivot

    def pixel(self, index: int, value: Any) -> Any:
        off = self.builder.fsub(value, self.pivot)
        self.sums.append([off, self.builder.fmul(off, off, flags=("contract",))])
        return value


class _Products(_Leaving):
    """dy, masked, and the sums of it and of dy * (x - centre)."""

    def __init__(self, *where: Any) -> None:
        super().__init__(*where)
        sight = self.sight
        self.factor, self.offset, self.centre = map(self.row, (sight.factor, sight.offset, sight.centre))
        self.floor = _floor(self.ends, sight)
        self.start = self.builder.add(sight.start, self.from_first)

    def pixel(self, index: int, value: Any) -> Any:
        x = self.ends.read(self.builder.gep(self.ends.pointer(self.ends.entry(self.sight.x, index)), [self.start]))
        seen = self.ends.vectors.multiply_add(x, self.factor, self.offset)
        low = self.builder.fcmp_ordered("<=", seen, self.floor)
        dy = self.builder.select(low, self.ends.vectors.zero, value)
        self.sums.append([dy, self.builder.fmul(dy, self.builder.fsub(x, self.centre), flags=("contract",))])
        return dy


def back(emit: Emitter, ends: Ends, rows: Rows, side: int, more: Sequence[Any], left: Any = None) -> None:
    """Frequencies to pixels: a bias and what is there may be added, and the result be rectified."""
    builder, vectors, zero = emit.builder, emit.vectors, simd.number(0)
    bias, mode, sight, square = more
    constant = cgutils.alloca_once(builder, vectors.kind)
    builder.store(vectors.zero, constant)
    with builder.if_then(builder.icmp_signed("!=", bias, zero)):
        at = builder.gep(ends.pointer(bias), [builder.mul(square, simd.number(vectors.lanes))])
        builder.store(ends.read(at), constant)
    lowest = ir.Constant(vectors.kind, [float("-inf")] * vectors.lanes)
    rectify = builder.icmp_signed("!=", builder.and_(mode, simd.number(RECTIFY)), zero)
    floor = builder.select(rectify, vectors.zero, lowest)
    added = builder.load(constant)
    lines = emit.square(rows, side, lambda i, j: ends.whole.load(ends.frequency(i * side + j), None))
    values = [builder.fadd(value, added) for line in lines for value in line]
    places = [ends.place(index) for index in range(len(values))]

    def finish(add: bool) -> None:
        leaving = left(emit, ends, sight, square) if left else None
        for index, (value, place) in enumerate(zip(values, places, strict=True)):
            value = builder.fadd(ends.read(place), value) if add else value
            value = builder.select(builder.fcmp_ordered("<", value, floor), floor, value)
            ends.write(leaving.pixel(index, value) if leaving else value, place)
        if leaving:
            leaving.finish()

    with builder.if_else(builder.icmp_signed("!=", builder.and_(mode, simd.number(ADD)), zero)) as (adding, writing):
        with adding:
            finish(True)
        with writing:
            finish(False)


def leaving_moments(emit: Emitter, ends: Ends, rows: Rows, side: int, more: Sequence[Any]) -> None:
    """Frequencies to pixels, which leave their moments."""
    back(emit, ends, rows, side, more, _Moments)


def leaving_products(emit: Emitter, ends: Ends, rows: Rows, side: int, more: Sequence[Any]) -> None:
    """Frequencies to pixels, which are masked, and leave their products."""
    back(emit, ends, rows, side, more, _Products)
