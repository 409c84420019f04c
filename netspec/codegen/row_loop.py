"""Loops over a row of numbers: vector by vector, then the rest under a mask. `rows` writes their bodies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils

_INDEX, _WORD = ir.IntType(32), ir.IntType(64)


def over_a_row(builder: Any, count: Any, lanes: int, group: int, again: bool, write: Callable[..., None]) -> None:
    """Loops over a row of `count` numbers: by `group` registers, by single ones, then the rest under a mask."""
    done, one = ir.Constant(_WORD, 0), ir.Constant(_WORD, lanes)
    if group > 1:
        width = ir.Constant(_WORD, lanes * group)
        number = builder.sdiv(count, width)
        with cgutils.for_range(builder, number) as each:
            write(lanes * group, builder.mul(each.index, width), None)
        done = builder.mul(number, width)
    left = builder.sub(count, done)
    last = builder.sub(count, one)
    if again:  # the last vector begins early, in a row that has one
        rounded = builder.add(left, ir.Constant(_WORD, lanes - 1))
        left = builder.select(builder.icmp_signed("<", last, ir.Constant(_WORD, 0)), left, rounded)
    number = builder.sdiv(left, one)
    with cgutils.for_range(builder, number) as each:
        at = builder.add(done, builder.mul(each.index, one))
        write(lanes, builder.select(builder.icmp_signed("<", last, at), last, at) if again else at, None)
    done = builder.add(done, builder.mul(number, one))
    with builder.if_then(builder.icmp_signed("<", done, count), likely=False):
        kind = ir.VectorType(_INDEX, lanes)
        rest = spread_over(builder, builder.trunc(builder.sub(count, done), _INDEX), kind)
        write(lanes, done, builder.icmp_signed("<", ir.Constant(kind, list(range(lanes))), rest))


def spread_over(builder: Any, value: Any, kind: Any) -> Any:
    """A number in every lane of a vector of a kind."""
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, value, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INDEX, kind.count), None))
