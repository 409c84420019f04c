"""The largest number of a row, which no loop of the compiler's finds vector by vector."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from netspec.codegen.intrinsics import intrinsic
from netspec.codegen.row_loop import over_a_row
from netspec.codegen.simd import BYTES, place

_INDEX = ir.IntType(32)
_GROUP = 4
"""Registers at a time."""


@intrinsic
def greatest(typing: Any, x: Any, x0: Any, count: Any) -> Any:
    """greatest(x, x0, count): the largest of x[x0 : x0+count]; NaN where one is NaN, -infinity of none; x is flat."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element, lanes = context.get_data_type(x.dtype), BYTES * 8 // x.dtype.bitwidth
        row = place(context, builder, signature.args[0], args[0], args[1])
        kinds = {size: ir.VectorType(element, size) for size in (lanes, lanes * _GROUP)}
        nothing = {size: ir.Constant(kind, [-math.inf] * size) for size, kind in kinds.items()}
        best = {size: cgutils.alloca_once_value(builder, nothing[size]) for size in kinds}

        def write(size: int, position: Any, mask: Any) -> None:
            at = builder.bitcast(builder.gep(row, [position]), kinds[size].as_pointer())
            if mask is None:
                value = builder.load(at, align=x.dtype.bitwidth // 8)
            else:
                align = ir.Constant(_INDEX, x.dtype.bitwidth // 8)
                given = [at, align, mask, nothing[size]]
                kind = ir.FunctionType(kinds[size], [each.type for each in given])
                name = f"llvm.masked.load.v{size}f{x.dtype.bitwidth}.p0"
                value = builder.call(cgutils.get_or_insert_function(builder.module, kind, name), given)
            builder.store(_larger(builder, value, builder.load(best[size])), best[size])

        over_a_row(builder, args[2], lanes, _GROUP, False, write)
        vector = builder.load(best[lanes * _GROUP])
        while vector.type.count > 1:
            if vector.type.count == lanes:
                vector = _larger(builder, vector, builder.load(best[lanes]))
            half = vector.type.count // 2
            vector = _larger(builder, _lanes(builder, vector, 0, half), _lanes(builder, vector, half, half))
        return builder.extract_element(vector, ir.Constant(_INDEX, 0))

    return x.dtype(x, types.int64, types.int64), generate


def _larger(builder: Any, a: Any, b: Any) -> Any:
    """The larger of two vectors lane by lane; NaN where either is."""
    more = builder.or_(builder.fcmp_ordered(">", a, b), builder.fcmp_unordered("uno", a, a))
    return builder.select(more, a, b)


def _lanes(builder: Any, vector: Any, first: int, number: int) -> Any:
    """Some lanes of a vector."""
    indices = ir.Constant(ir.VectorType(_INDEX, number), list(range(first, first + number)))
    return builder.shuffle_vector(vector, vector, indices)
