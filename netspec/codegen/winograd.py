"""Vector instructions of Winograd's transforms F(4x4, 3x3), in the points 0, 1, -1, 2, -2, infinity.

A transform multiplies a small square of vectors from both sides: B for tiles of the image, A for tiles of the result
and of its diff, G for filters.

Source: Winograd 1980; Lavin & Gray 2016, Fast algorithms for convolutional neural networks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.geometry import ADD, RECTIFY, SIDE, STEP
from netspec.codegen.intrinsics import intrinsic

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


@intrinsic
def transform_back(
    typing: Any, like: Any, source: Any, plane: Any, table: Any, offset: Any, bias: Any, mode: Any
) -> Any:
    """Transform source[frequency * plane], and store it at the table's 4 x 4 addresses + offset.

    The vector at `bias` (0: none) is added; the tile's `mode` says whether the result is rectified, or added to what
    is there.
    """

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
