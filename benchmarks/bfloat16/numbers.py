"""bfloat16 as uint16 in memory: the upper half of a float32, rounded to nearest, ties to even.

NaN stays NaN and infinity stays infinity; a number beyond bfloat16's largest becomes infinity.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from netspec.codegen.intrinsics import intrinsic
from netspec.codegen.kernel import helper
from netspec.codegen.kinds import Vector

Halves = NDArray[np.uint16]


@intrinsic
def bits_of(typing: Any, value: Any) -> Any:
    """The bits of a float32, as uint32."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(32))

    return types.uint32(types.float32), generate


@intrinsic
def float_of(typing: Any, bits: Any) -> Any:
    """The float32 with these bits, a uint32."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.uint32), generate


@helper
def narrow(value: float) -> int:
    """A float32 as bfloat16."""
    bits = bits_of(value)
    rounded = np.uint32(bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
    kept = rounded if value == value else bits | np.uint32(0x400000)
    return np.uint16(kept >> np.uint32(16))


@helper
def widen(half: int) -> float:
    """A bfloat16 as float32."""
    return float_of(np.uint32(half) << np.uint32(16))  # type: ignore[no-any-return]


@helper
def rounded(value: float) -> float:
    """A float32 with the 8 bits of a bfloat16's significand."""
    return widen(narrow(value))


@helper
def narrow_run(x: Vector, x0: int, y: Halves, y0: int, count: int) -> None:
    """y[y0 : y0 + count] = x[x0 : x0 + count], rounded."""
    values, halves = x[x0 : x0 + count], y[y0 : y0 + count]
    for i in range(count):
        halves[i] = narrow(values[i])


@helper
def widen_run(x: Halves, x0: int, y: Vector, y0: int, count: int) -> None:
    """y[y0 : y0 + count] = x[x0 : x0 + count]."""
    halves, values = x[x0 : x0 + count], y[y0 : y0 + count]
    for i in range(count):
        values[i] = widen(halves[i])


def to_bfloat16(x: NDArray[Any]) -> NDArray[np.uint16]:
    """`narrow` of every element of an array without NaN."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + (0x7FFF + ((bits >> 16) & 1))) >> 16).astype(np.uint16)


def to_float32(halves: NDArray[np.uint16]) -> NDArray[np.float32]:
    """`widen` of every element of an array."""
    return (halves.astype(np.uint32) << 16).view(np.float32)
