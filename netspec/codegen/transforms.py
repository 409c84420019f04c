"""Transforms of Winograd's minimal filtering as compiled code: one for each filtering and kind, called by address.

A transform multiplies small squares of vectors from both sides by a matrix: B for tiles of the image, A for tiles of
the result and of its diff, G for filters. On one side of it, the square's vectors lie at addresses of a table; on the
other, one to a plane of frequencies. A call transforms a run of squares, each of them some values on.
Source: Winograd 1980; Lavin & Gray 2016, Fast algorithms for convolutional neural networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache
from typing import Any, NamedTuple, cast

from llvmlite import ir
from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.geometry import ADD, MINIMAL, RECTIFY, Minimal
from netspec.codegen.kernel import Compiled

Terms = Sequence[tuple[float, int]]
"""A row of a matrix: what is not 0 in it, as (factor, column)."""
Rows = list[Terms]


class Matrices(NamedTuple):
    """The matrices of a filtering: y = At [ (G w) . (Bt x) ] along each axis."""

    image: Rows  # Bt
    result: Rows  # At
    filter: Rows  # G


def matrices(minimal: Minimal) -> Matrices:
    """Cook's and Toom's matrices in the filtering's points and infinity."""
    points = [Fraction(point) for point in minimal.points]
    others = [points[:i] + points[i + 1 :] for i in range(len(points))]
    image = [_polynomial(roots) for roots in (*others, points)]
    result = [[p**i for p in points] + [Fraction(i == minimal.step - 1)] for i in range(minimal.step)]
    filters = []
    for point, rest in zip(points, others, strict=True):
        scale = Fraction(1)
        for other in rest:
            scale *= point - other
        filters.append([point**k / scale for k in range(minimal.taps)])
    filters.append([Fraction(k == minimal.taps - 1) for k in range(minimal.taps)])
    return Matrices(*([_terms(row) for row in rows] for rows in (image, result, filters)))


def _polynomial(roots: list[Fraction]) -> list[Fraction]:
    """The coefficients of the product of all x - root, from the constant on."""
    found = [Fraction(1)]
    for root in roots:
        found = [low - root * high for low, high in zip([Fraction(0), *found], [*found, Fraction(0)], strict=True)]
    return found


def _terms(row: list[Fraction]) -> Terms:
    return [(float(factor), j) for j, factor in enumerate(row) if factor]


def turned(rows: Rows, width: int) -> Rows:
    """The transpose of a matrix of so many columns."""
    return [[(factor, i) for i, row in enumerate(rows) for factor, j in row if j == column] for column in range(width)]


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
    factor, offset and low. Where a pixel lies outside, its place in the table `x` is that of `centre`.
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


ARGUMENTS = tuple(f"{group.__name__.lower()}_{field}" for group in (Places, Planes, Span) for field in group._fields)

transform = simd.caller(len(ARGUMENTS))
"""transform(code, Places(...), Planes(...), Span(...)): call a transform by its address."""


class _Emitter:
    """Writes small linear maps of vectors; sums and differences that two rows share are made once."""

    def __init__(self, builder: Any, bytes: int, masked: bool) -> None:
        self.builder = builder
        self.vectors = simd.Vectors(builder, bytes, masked)

    def constant(self, value: float) -> Any:
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

    def square(self, rows: Rows, side: int, load: Callable[[int, int], Any]) -> list[list[Any]]:
        """rows X rows^T for a side x side matrix X of vectors."""
        columns = [self.apply(rows, [load(i, j) for i in range(side)]) for j in range(side)]
        return [self.apply(rows, [column[i] for column in columns]) for i in range(len(rows))]


class _Ends:
    """Where a call reads and writes: the places of a table, and the planes of frequencies, of the square at hand."""

    def __init__(self, emit: _Emitter, args: Sequence[Any], square: Any) -> None:
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
        return self.builder.inttoptr(address, self.vectors.kind.element.as_pointer())

    def entry(self, table: Any, index: int) -> Any:
        entries = self.builder.inttoptr(table, ir.IntType(64).as_pointer())
        return self.builder.load(self.builder.gep(entries, [simd.number(index)]))

    def place(self, index: int) -> Any:
        return self.builder.gep(self.pointer(self.entry(self.table, index)), [self.start])

    def frequency(self, index: int) -> Any:
        return self.builder.gep(self.frequencies, [self.builder.mul(self.plane, simd.number(index))])

    def read(self, place: Any) -> Any:
        return self.vectors.load(place, self.mask)

    def write(self, value: Any, place: Any) -> None:
        self.vectors.store(value, place, self.mask)


class _Seen:
    """Pixels of the square at hand, seen through a lens, or `pulled`."""

    def __init__(self, ends: _Ends, sight: Any, square: Any, pulled: bool) -> None:
        self.ends, self.builder, self.pulled = ends, ends.builder, pulled
        builder, vectors = ends.builder, ends.vectors
        self.from_first = builder.mul(square, simd.number(vectors.lanes))
        table = builder.inttoptr(sight, ir.IntType(64).as_pointer())
        words = (builder.load(builder.gep(table, [simd.number(i)])) for i in range(len(Sight._fields)))
        self.sight = sight = Sight(*words)
        self.factor = self._row(sight.factor)
        rectify = builder.icmp_signed("!=", sight.mode, simd.number(0))
        never = ir.Constant(vectors.kind, [float("nan")] * vectors.lanes)
        self.floor = builder.select(rectify, vectors.zero, never)
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


def _forth(emit: _Emitter, ends: _Ends, rows: Rows, side: int, _: Sequence[Any]) -> None:
    """Pixels to frequencies."""
    _to_frequencies(emit, ends, rows, side, lambda index: ends.read(ends.place(index)))


def _seen(emit: _Emitter, ends: _Ends, rows: Rows, side: int, more: Sequence[Any]) -> None:
    """Pixels, seen through a lens, to frequencies."""
    *_, sight, square = more
    _to_frequencies(emit, ends, rows, side, _Seen(ends, sight, square, pulled=False).pixel)


def _pulled(emit: _Emitter, ends: _Ends, rows: Rows, side: int, more: Sequence[Any]) -> None:
    """Pixels of dy, seen as the gradient behind a BatchNorm, to frequencies."""
    *_, sight, square = more
    _to_frequencies(emit, ends, rows, side, _Seen(ends, sight, square, pulled=True).pixel)


def _to_frequencies(emit: _Emitter, ends: _Ends, rows: Rows, side: int, pixel: Callable[[int], Any]) -> None:
    lines = emit.square(rows, side, lambda i, j: pixel(i * side + j))
    for index, value in enumerate(value for line in lines for value in line):
        ends.whole.store(value, ends.frequency(index), None)


def _back(emit: _Emitter, ends: _Ends, rows: Rows, side: int, more: Sequence[Any]) -> None:
    """Frequencies to pixels: a bias and what is there may be added, and the result be rectified."""
    builder, vectors, zero = emit.builder, emit.vectors, simd.number(0)
    bias, mode, _, square = more
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
        for value, place in zip(values, places, strict=True):
            value = builder.fadd(ends.read(place), value) if add else value
            ends.write(builder.select(builder.fcmp_ordered("<", value, floor), floor, value), place)

    with builder.if_else(builder.icmp_signed("!=", builder.and_(mode, simd.number(ADD)), zero)) as (adding, writing):
        with adding:
            finish(True)
        with writing:
            finish(False)


KINDS = ("image", "diff", "filter", "result", "gradient", "image_seen", "image_pulled", "diff_pulled")
"""Tiles of the image, tiles of the result's diff and filters, to frequencies; and frequencies to tiles of the result
and to filters. Images may be seen through a lens, or be a diff that is pulled through a BatchNorm, as diffs may."""


class Transform(Compiled):
    """A transform of one filtering; `cut`, the last square's vectors have fewer values."""

    def __init__(self, kind: str, minimal: Minimal, cut: bool) -> None:
        super().__init__(f"transforms.{kind}_{minimal.taps}_{'cut' if cut else 'whole'}")
        self.kind, self.minimal, self.cut = kind, minimal, cut

    @property
    def weight(self) -> int:
        """A rough measure of how long it takes to compile."""
        return 20 * self.minimal.frequencies

    def _map(self) -> tuple[Callable[..., None], Rows, int]:
        """What writes it, its matrix, and the side of the squares that it reads."""
        image, result, filters = matrices(self.minimal)
        side, step, taps = self.minimal.side, self.minimal.step, self.minimal.taps
        return {
            "image": (_forth, image, side),
            "diff": (_forth, turned(result, side), step),
            "filter": (_forth, filters, taps),
            "result": (_back, result, side),
            "gradient": (_back, turned(filters, taps), side),
            "image_seen": (_seen, image, side),
            "image_pulled": (_pulled, image, side),
            "diff_pulled": (_pulled, turned(result, side), step),
        }[self.kind]

    def wrapper(self, dtype: str) -> tuple[Callable[..., Any], int]:
        """The function to compile, and its number of arguments."""
        emit_square, rows, side = self._map()

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            with cgutils.for_range(builder, args[ARGUMENTS.index("span_squares")]) as loop:
                emit = _Emitter(builder, 4 if dtype == "float32" else 8, self.cut)
                more = (*args[-3:], loop.index)
                emit_square(emit, _Ends(emit, args, loop.index), rows, side, more)
            return context.get_dummy_value()

        name, words = f"{self.name.replace('.', '_')}_{dtype}", ", ".join(ARGUMENTS)
        scope = {"transform": simd.intrinsic_of(ARGUMENTS, generate), "__name__": __name__}
        exec(compile(f"def {name}({words}):\n    transform({words})\n", __file__, "exec"), scope)
        return cast(Callable[..., Any], scope[name]), len(ARGUMENTS)


_made = cache(Transform)


def transform_of(kind: str, taps: int, cut: bool) -> Transform:
    """The transform of a kind for filters of so many taps: one object, however it is asked for."""
    return _made(kind, MINIMAL[taps], cut)


def __getattr__(name: str) -> Transform:
    """`image_5_whole`: by its name, for the process that compiles others' kernels."""
    kind, taps, cut = ("", *name.rsplit("_", 2))[-3:]
    if kind not in KINDS:
        raise AttributeError(name)
    return transform_of(kind, int(taps), cut == "cut")
