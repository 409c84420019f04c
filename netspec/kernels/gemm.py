"""Matrix products: C += A B, tile by tile in vector registers.

A tile is 4 rows of C by 2 or 4 vectors. It sums up to 128 products in registers and adds them to C: a sum of k terms is cut into k/128
pieces, always in the same order, whatever the machine's vectors. Neither A nor B is packed: A has any strides (so it may be a transpose),
the rows of B and C are contiguous. The tile itself is written in LLVM's own language: the compiler's vectoriser, given the same loops,
takes ten times as long to compile code that runs at a quarter of the speed.
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from netspec.kernels.jit import Vector, helper

_FEATURES = llvm.get_host_cpu_features() if numba.config.CPU_NAME in (None, "host") else {}
VECTOR_BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx2") or not _FEATURES else 16
WIDE = 4 if VECTOR_BYTES != 32 else 2
"""Vectors side by side in a whole tile: 16 accumulators where there are 32 registers, 8 where there are 16."""
EDGE = 2
"""The same at the right edge, where lanes may be masked."""
ROWS = 4
DEEP = 128
"""Products that are summed in registers."""


def _tile(vectors: int, masked: bool) -> Any:
    """The intrinsic C += A B for `rows` <= ROWS rows, `vectors` vectors of columns (the first `columns` of them if masked), k products.

    Rows past the last repeat it: they compute and store the same values once more.
    """

    @intrinsic
    def tile(
        typing: Any,
        a: Any,
        a0: Any,
        a_row: Any,
        a_col: Any,
        b: Any,
        b0: Any,
        ldb: Any,
        c: Any,
        c0: Any,
        ldc: Any,
        rows: Any,
        columns: Any,
        k: Any,
    ) -> Any:
        whole = types.int64
        signature = types.void(a, whole, whole, whole, b, whole, whole, c, whole, whole, whole, whole, whole)
        return signature, _Emitter(vectors, masked, a.dtype.bitwidth // 8).generate

    return tile


class _Emitter:
    """Writes the LLVM code of one tile, or one run, for numbers of `bytes` bytes."""

    def __init__(self, vectors: int, masked: bool, bytes: int) -> None:
        self.vectors, self.masked, self.bytes = vectors, masked, bytes
        self.lanes = VECTOR_BYTES // bytes
        self.vector = ir.VectorType(ir.FloatType() if bytes == 4 else ir.DoubleType(), self.lanes)
        self.word = ir.IntType(64)

    def generate(self, context: Any, builder: Any, signature: Any, args: Any) -> Any:
        a, a0, a_row, a_col, b, b0, ldb, c, c0, ldc, rows, columns, k = args
        self.builder, zero = builder, ir.Constant(self.vector, None)
        a_at, b_at, c_at = (
            builder.gep(context.make_array(kind)(context, builder, array).data, [offset])
            for kind, array, offset in ((signature.args[0], a, a0), (signature.args[4], b, b0), (signature.args[7], c, c0))
        )
        last = builder.sub(rows, self.number(1))
        row = [self.smaller(self.number(r), last) for r in range(ROWS)]
        a_rows = [builder.gep(a_at, [builder.mul(r, a_row)]) for r in row]
        masks = [self.mask(columns, v) for v in range(self.vectors)]
        sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(self.vectors)] for _ in range(ROWS)]
        with cgutils.for_range(builder, k) as loop:
            b_row = builder.gep(b_at, [builder.mul(loop.index, ldb)])
            b_values = [self.load(b_row, v, masks[v]) for v in range(self.vectors)]
            a_offset = builder.mul(loop.index, a_col)
            for line, a_line in zip(sums, a_rows, strict=True):
                factor = self.spread(builder.load(builder.gep(a_line, [a_offset])))
                for place, value in zip(line, b_values, strict=True):
                    builder.store(self.multiply_add(factor, value, builder.load(place)), place)
        c_rows = [builder.gep(c_at, [builder.mul(r, ldc)]) for r in row]
        totals = [
            [builder.fadd(self.load(c_line, v, masks[v]), builder.load(place)) for v, place in enumerate(line)]
            for c_line, line in zip(c_rows, sums, strict=True)
        ]
        for c_line, line in zip(c_rows, totals, strict=True):
            for v, total in enumerate(line):
                self.store(total, c_line, v, masks[v])
        return context.get_dummy_value()

    def copy_run(self, context: Any, builder: Any, signature: Any, args: Any, adding: bool = False) -> Any:
        x, x0, y, y0, count = args
        self.builder = builder
        x_at, y_at = (
            builder.gep(context.make_array(kind)(context, builder, array).data, [offset])
            for kind, array, offset in ((signature.args[0], x, x0), (signature.args[2], y, y0))
        )
        vectors = builder.udiv(builder.add(count, self.number(self.lanes - 1)), self.number(self.lanes))
        with cgutils.for_range(builder, vectors) as loop:
            done = builder.mul(loop.index, self.number(self.lanes))
            frm, to, mask = builder.gep(x_at, [done]), builder.gep(y_at, [done]), self.mask(builder.sub(count, done), 0)
            value = self.load(frm, 0, mask)
            self.store(builder.fadd(self.load(to, 0, mask), value) if adding else value, to, 0, mask)
        return context.get_dummy_value()

    def add_run(self, context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return self.copy_run(context, builder, signature, args, True)

    def number(self, value: int) -> Any:
        return ir.Constant(self.word, value)

    def smaller(self, a: Any, b: Any) -> Any:
        return self.builder.select(self.builder.icmp_signed("<", a, b), a, b)

    def spread(self, value: Any, vector: Any = None) -> Any:
        """A vector with `value` in every lane."""
        vector = vector or self.vector
        nothing = ir.Constant(vector, ir.Undefined)
        first = self.builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), None))

    def mask(self, columns: Any, v: int) -> Any:
        """Which lanes of vector v are among the first `columns`."""
        numbers = ir.VectorType(self.word, self.lanes)
        lanes = ir.Constant(numbers, [v * self.lanes + lane for lane in range(self.lanes)])
        return self.builder.icmp_signed("<", lanes, self.spread(columns, numbers))

    def function(self, name: str, result: Any, *args: Any) -> Any:
        kind = f"v{self.lanes}f{8 * self.bytes}"
        return cgutils.get_or_insert_function(self.builder.module, ir.FunctionType(result, args), f"llvm.{name}.{kind}")

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        return self.builder.call(self.function("fmuladd", self.vector, self.vector, self.vector, self.vector), [a, b, c])

    def place(self, row: Any, v: int) -> Any:
        at = self.builder.gep(row, [self.number(v * self.lanes)])
        return self.builder.bitcast(at, self.vector.as_pointer())

    def load(self, row: Any, v: int, mask: Any) -> Any:
        at = self.place(row, v)
        if not self.masked:
            return self.builder.load(at, align=self.bytes)
        kinds = (at.type, ir.IntType(32), mask.type, self.vector)
        function = cgutils.get_or_insert_function(
            self.builder.module, ir.FunctionType(self.vector, kinds), f"llvm.masked.load.v{self.lanes}f{8 * self.bytes}.p0"
        )
        return self.builder.call(function, [at, ir.Constant(ir.IntType(32), self.bytes), mask, ir.Constant(self.vector, None)])

    def store(self, value: Any, row: Any, v: int, mask: Any) -> None:
        at = self.place(row, v)
        if not self.masked:
            self.builder.store(value, at, align=self.bytes)
            return
        kinds = (self.vector, at.type, ir.IntType(32), mask.type)
        function = cgutils.get_or_insert_function(
            self.builder.module, ir.FunctionType(ir.VoidType(), kinds), f"llvm.masked.store.v{self.lanes}f{8 * self.bytes}.p0"
        )
        self.builder.call(function, [value, at, ir.Constant(ir.IntType(32), self.bytes), mask])


def _run(adding: bool) -> Any:
    """The intrinsic y[y0 : y0+count] = x[x0 : x0+count], or += : for runs so short that a loop costs more than its work."""

    @intrinsic
    def run(typing: Any, x: Any, x0: Any, y: Any, y0: Any, count: Any) -> Any:
        emitter = _Emitter(1, True, x.dtype.bitwidth // 8)
        return types.void(x, types.int64, y, types.int64, types.int64), emitter.add_run if adding else emitter.copy_run

    return run


_whole_tile = _tile(WIDE, False)
_edge_tile = _tile(EDGE, True)
copy_run = _run(False)
add_run = _run(True)


@helper
def gemm_add(
    a: Vector, a0: int, a_row: int, a_col: int, b: Vector, b0: int, ldb: int, c: Vector, c0: int, ldc: int, m: int, n: int, k: int
) -> None:
    """C += A B for A (m, k), B (k, n), C (m, n), each somewhere in a flat array: A with any strides, rows of B and C contiguous."""
    wide, edge = WIDE * VECTOR_BYTES // c.itemsize, EDGE * VECTOR_BYTES // c.itemsize
    whole = n - n % wide
    for p in range(0, k, DEEP):
        deep = min(DEEP, k - p)
        for j in range(0, whole, wide):
            for i in range(0, m, ROWS):
                at = a0 + i * a_row + p * a_col
                _whole_tile(a, at, a_row, a_col, b, b0 + p * ldb + j, ldb, c, c0 + i * ldc + j, ldc, min(ROWS, m - i), wide, deep)
        for j in range(whole, n, edge):
            for i in range(0, m, ROWS):
                at = a0 + i * a_row + p * a_col
                _edge_tile(a, at, a_row, a_col, b, b0 + p * ldb + j, ldb, c, c0 + i * ldc + j, ldc, min(ROWS, m - i), n - j, deep)
