"""A square tile of a matrix turned in registers: as many rows as a vector has numbers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from netspec.codegen.simd import Vectors, number, place


def _turn(typing: Any, x: Any, x0: Any, x_step: Any, y: Any, y0: Any, y_step: Any, rows: Any, columns: Any) -> Any:
    """Exchanges between registers: step s swaps the s-th bit of the row with the s-th bit of the place in it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        frm = place(context, builder, signature.args[0], args[0], args[1])
        to = place(context, builder, signature.args[3], args[3], args[4])
        lanes = Vectors(builder, x.dtype.bitwidth // 8, masked=False).lanes

        def write(masked: bool) -> None:
            emit = Vectors(builder, x.dtype.bitwidth // 8, masked)
            nothing = ir.Constant(ir.VectorType(ir.IntType(1), lanes), None)

            def mask(row: int, count: Any, width: Any) -> Any:
                inside = builder.icmp_signed("<", number(row), count)
                return builder.select(inside, emit.mask(width), nothing) if masked else None

            tile = [
                emit.load(builder.gep(frm, [builder.mul(number(i), args[2])]), mask(i, args[6], args[7]))
                for i in range(lanes)
            ]
            step = 1
            while step < lanes:
                low = [j if not j & step else lanes + j - step for j in range(lanes)]
                high = [j + step if not j & step else lanes + j for j in range(lanes)]
                kind = ir.VectorType(ir.IntType(32), lanes)
                for i in range(lanes):
                    if not i & step:
                        a, b = tile[i], tile[i + step]
                        tile[i] = builder.shuffle_vector(a, b, ir.Constant(kind, low))
                        tile[i + step] = builder.shuffle_vector(a, b, ir.Constant(kind, high))
                step *= 2
            for j in range(lanes):
                emit.store(tile[j], builder.gep(to, [builder.mul(number(j), args[5])]), mask(j, args[7], args[6]))

        whole = builder.and_(
            builder.icmp_signed(">=", args[6], number(lanes)), builder.icmp_signed(">=", args[7], number(lanes))
        )
        with builder.if_else(whole, likely=True) as (then, otherwise):
            with then:
                write(masked=False)
            with otherwise:
                write(masked=True)
        return context.get_dummy_value()

    return types.void(x, types.int64, types.int64, y, types.int64, types.int64, types.int64, types.int64), generate


turn_tile = intrinsic(_turn)
"""turn_tile(x, x0, x_step, y, y0, y_step, rows, columns) transposes a tile.

y[y0 + j*y_step + i] = x[x0 + i*x_step + j] for i < rows, j < columns.
x and y are flat; of rows and columns no more are turned than a vector has numbers.
"""
