"""Tiles of a matrix turned in registers: squares, as many rows as a vector has numbers; and pairs of rows."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from netspec.codegen.simd import Vectors, number, place, stream_far


def _turn(typing: Any, x: Any, x0: Any, x_step: Any, y: Any, y0: Any, y_step: Any, rows: Any, columns: Any) -> Any:
    return _turned(x, y)


def _turn_past(
    typing: Any, x: Any, x0: Any, x_step: Any, y: Any, y0: Any, y_step: Any, rows: Any, columns: Any, far: Any
) -> Any:
    return _turned(x, y, types.int64)


def _turned(x: Any, y: Any, *far: Any) -> Any:
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
                row = builder.gep(to, [builder.mul(number(j), args[5])])
                if far and not masked:
                    at = builder.bitcast(row, tile[j].type.as_pointer())
                    stream_far(builder, tile[j], at, args[8], x.dtype.bitwidth // 8)
                else:
                    emit.store(tile[j], row, mask(j, args[7], args[6]))

        whole = builder.and_(
            builder.icmp_signed(">=", args[6], number(lanes)), builder.icmp_signed(">=", args[7], number(lanes))
        )
        with builder.if_else(whole, likely=True) as (then, otherwise):
            with then:
                write(masked=False)
            with otherwise:
                write(masked=True)
        return context.get_dummy_value()

    return types.void(x, types.int64, types.int64, y, *[types.int64] * 4, *far), generate


turn_tile = intrinsic(_turn)
"""turn_tile(x, x0, x_step, y, y0, y_step, rows, columns) transposes a tile.

y[y0 + j*y_step + i] = x[x0 + i*x_step + j] for i < rows, j < columns.
x and y are flat; of rows and columns no more are turned than a vector has numbers.
"""
turn_tile_past = intrinsic(_turn_past)
"""turn_tile_past(.., far): as `turn_tile`, past the caches if `far`, where whole vectors lie as the CPU wants."""


def _pairs(joining: bool) -> Any:
    """The intrinsic `join_pairs` or `part_pairs`."""

    def pairs(typing: Any, x: Any, x0: Any, y: Any, y0: Any, step: Any, count: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            frm = place(context, builder, signature.args[0], args[0], args[1])
            to = place(context, builder, signature.args[2], args[2], args[3])
            emit = Vectors(builder, x.dtype.bitwidth // 8, masked=True)
            lanes, kind = emit.lanes, ir.VectorType(ir.IntType(32), emit.lanes)
            orders = (
                [[first + j // 2 + lanes * (j % 2) for j in range(lanes)] for first in (0, lanes // 2)]
                if joining
                else [[2 * j + phase for j in range(lanes)] for phase in (0, 1)]
            )
            vectors = builder.udiv(builder.add(args[5], number(lanes - 1)), number(lanes))
            with cgutils.for_range(builder, vectors) as loop:
                done = builder.mul(loop.index, number(lanes))
                left = builder.sub(args[5], done)
                both, mask = builder.mul(left, number(2)), emit.mask(left)

                def apart(row: Any) -> list[tuple[Any, Any, int]]:
                    first = builder.gep(row, [done])
                    return [(first, mask, 0), (builder.gep(first, [args[4]]), mask, 0)]

                def together(row: Any) -> list[tuple[Any, Any, int]]:
                    first = builder.gep(row, [builder.mul(done, number(2))])
                    return [(first, emit.mask(both, v), v) for v in (0, 1)]

                a, b = (emit.load(*each) for each in (apart(frm) if joining else together(frm)))
                for order, each in zip(orders, together(to) if joining else apart(to), strict=True):
                    emit.store(builder.shuffle_vector(a, b, ir.Constant(kind, order)), *each)
            return context.get_dummy_value()

        return types.void(x, types.int64, y, types.int64, types.int64, types.int64), generate

    return intrinsic(pairs)


join_pairs = _pairs(joining=True)
"""join_pairs(x, x0, y, y0, step, count): y[y0 + 2*j] = x[x0 + j], y[y0 + 2*j + 1] = x[x0 + step + j] for j < count."""
part_pairs = _pairs(joining=False)
"""part_pairs(x, x0, y, y0, step, count): y[y0 + j] = x[x0 + 2*j], y[y0 + step + j] = x[x0 + 2*j + 1] for j < count."""
