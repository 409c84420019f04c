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
def pointer(typingctx: Any, address: Any) -> Any:
    """An address as a pointer that carray takes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate
