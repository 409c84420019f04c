"""Products of many rows with a small square, of one vector a row, which stays in the vector registers all along.

Kind `weight`: C[r, j] = sum over i of A[r, i] * B[i, j], and B stays. A register tile would read all of B for every few
rows, and would have to wait for its sums: with one vector a row they are few. Here rows follow each other without a
break. All of a block's rows of A are read before one of C is written, so C may lie where A does.

Kind `gradient`: C[i, j] = sum over r of A[r, i] * B[r, j], and C stays.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple, cast

from numba.core import cgutils

from netspec.codegen import simd
from netspec.codegen.geometry import ADD
from netspec.codegen.kernel import Compiled

BLOCK = 7
"""Rows whose sums are formed at a time: enough that none waits for another, and few enough beside B."""
MOST_DEPTH = simd.REGISTERS - BLOCK - 5 if simd.REGISTERS == 32 else 0
"""Rows of B, at most."""


class Rows(NamedTuple):
    """The rows of a product; addresses, and values from one row to the next."""

    left: int
    left_pitch: int
    right: int
    right_pitch: int
    result: int
    result_pitch: int
    number: int  # rows r
    mode: int  # ADD: a gradient is added to C


multiply_rows = simd.caller(len(Rows._fields))
"""multiply_rows(code, Rows(...)): call a product by its address."""


def fits(depth: int, columns: int, dtype: str) -> bool:
    """Whether B (depth, columns) stays in the registers."""
    return depth <= MOST_DEPTH and columns * (4 if dtype == "float32" else 8) == simd.BYTES


class Square(Compiled):
    """The product of a kind, with a square of so many rows."""

    def __init__(self, kind: str, depth: int) -> None:
        super().__init__(f"squares.{kind}_{depth}")
        self.kind, self.depth = kind, depth

    @property
    def weight(self) -> int:
        """A rough measure of how long it takes to compile."""
        return 300 + 20 * BLOCK * self.depth

    def wrapper(self, dtype: str) -> tuple[Callable[..., Any], int]:
        """The function to compile, and its number of arguments."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit = {"weight": self._weight, "gradient": self._gradient}[self.kind]
            emit(builder, simd.Vectors(builder, 4 if dtype == "float32" else 8, masked=False), Rows(*args))
            return context.get_dummy_value()

        name, words = f"{self.name.replace('.', '_')}_{dtype}", ", ".join(Rows._fields)
        scope = {"square": simd.intrinsic_of(Rows._fields, generate), "__name__": __name__}
        exec(compile(f"def {name}({words}):\n    square({words})\n", __file__, "exec"), scope)
        return cast(Callable[..., Any], scope[name]), len(Rows._fields)

    def _weight(self, builder: Any, vectors: simd.Vectors, rows: Any) -> None:
        pointer = vectors.kind.element.as_pointer()
        a, b, c = (builder.inttoptr(place, pointer) for place in (rows.left, rows.right, rows.result))
        line = [builder.gep(b, [builder.mul(rows.right_pitch, simd.number(i))]) for i in range(self.depth)]
        right = [vectors.load(place, None) for place in line]

        def block(first: Any, number: int) -> None:
            each = [builder.add(first, simd.number(r)) for r in range(number)]
            left = [builder.gep(a, [builder.mul(row, rows.left_pitch)]) for row in each]
            sums = [vectors.zero] * number
            for i, value in enumerate(right):
                for r, row in enumerate(left):
                    factor = vectors.spread(builder.load(builder.gep(row, [simd.number(i)])))
                    sums[r] = vectors.multiply_add(factor, value, sums[r])
            for row, total in zip(each, sums, strict=True):
                vectors.store(total, builder.gep(c, [builder.mul(row, rows.result_pitch)]), None)

        blocks = builder.udiv(rows.number, simd.number(BLOCK))
        with cgutils.for_range(builder, blocks) as loop:
            block(builder.mul(loop.index, simd.number(BLOCK)), BLOCK)
        done = builder.mul(blocks, simd.number(BLOCK))
        with cgutils.for_range(builder, builder.sub(rows.number, done)) as loop:
            block(builder.add(done, loop.index), 1)

    def _gradient(self, builder: Any, vectors: simd.Vectors, rows: Any) -> None:
        pointer = vectors.kind.element.as_pointer()
        a, b, c = (builder.inttoptr(place, pointer) for place in (rows.left, rows.right, rows.result))
        line = [builder.gep(c, [builder.mul(rows.result_pitch, simd.number(i))]) for i in range(self.depth)]
        sums = [cgutils.alloca_once_value(builder, vectors.zero) for _ in line]
        with builder.if_then(builder.icmp_signed("!=", builder.and_(rows.mode, simd.number(ADD)), simd.number(0))):
            for total, place in zip(sums, line, strict=True):
                builder.store(vectors.load(place, None), total)
        with cgutils.for_range(builder, rows.number) as loop:
            row = builder.gep(a, [builder.mul(loop.index, rows.left_pitch)])
            value = vectors.load(builder.gep(b, [builder.mul(loop.index, rows.right_pitch)]), None)
            for i, total in enumerate(sums):
                factor = vectors.spread(builder.load(builder.gep(row, [simd.number(i)])))
                builder.store(vectors.multiply_add(factor, value, builder.load(total)), total)
        for total, place in zip(sums, line, strict=True):
            vectors.store(builder.load(total), place, None)


square = cache(Square)
"""The product of a kind and depth: one object, however it is asked for."""


def __getattr__(name: str) -> Square:
    """`weight_16`: by its name, for the process that compiles others' kernels."""
    kind, _, depth = name.partition("_")
    if kind not in ("weight", "gradient") or not depth.isdigit():
        raise AttributeError(name)
    return square(kind, int(depth))
