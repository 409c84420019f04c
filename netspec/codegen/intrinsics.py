"""numba intrinsics that read a kernel's descriptor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba.extending
from numba import types
from numba.core import cgutils


def intrinsic(function: Callable[..., Any]) -> Any:
    """numba.extending.intrinsic, typed: kernels call the result without the typing context."""
    return numba.extending.intrinsic(function)


@intrinsic
def load(typingctx: Any, address: Any, index: Any) -> Any:
    """The int64 at a descriptor's place."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], cgutils.voidptr_t)
        place = builder.bitcast(place, context.get_value_type(types.int64).as_pointer())
        return builder.load(builder.gep(place, [args[1]]))

    return types.int64(types.int64, types.int64), generate


@intrinsic
def load_real(typingctx: Any, address: Any, index: Any) -> Any:
    """The float64 whose bits are at a descriptor's place."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = builder.inttoptr(args[0], context.get_value_type(types.float64).as_pointer())
        return builder.load(builder.gep(place, [args[1]]))

    return types.float64(types.int64, types.int64), generate


@intrinsic
def bits(typingctx: Any, real: Any) -> Any:
    """The bits of a float32 or float64, as an int64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        whole = context.get_value_type(types.int32 if signature.args[0] == types.float32 else types.int64)
        return builder.zext(builder.bitcast(args[0], whole), context.get_value_type(types.int64))

    return types.int64(real), generate


@intrinsic
def pointer(typingctx: Any, address: Any) -> Any:
    """An address as a pointer that carray takes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


@intrinsic
def high_half(typingctx: Any, a: Any, b: Any) -> Any:
    """The upper 64 of the 128 bits of a product of two uint64."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        wide = context.get_value_type(types.uint64).__class__(128)
        product = builder.mul(*[builder.zext(arg, wide) for arg in args])
        return builder.trunc(builder.lshr(product, wide(64)), context.get_value_type(types.uint64))

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def leading_zeros(typingctx: Any, a: Any) -> Any:
    """The zero bits above the first one of a uint64, as an int64; 64 of 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctlz(args[0], cgutils.false_bit)

    return types.int64(types.uint64), generate
