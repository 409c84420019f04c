"""Rows of blobs that are float32 or bfloat16 in memory, as the chain's kernels see them: chosen by the array's type.

float32 blobs are read and written where they lie. Rows of bfloat16 (uint16) are widened into `raw`, a float32 scratch,
and what is written is computed in another scratch and narrowed from there.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import overload

from benchmarks.bfloat16.numbers import narrow_run, widen_run
from netspec.codegen.kernel import helper
from netspec.codegen.kinds import Vector
from netspec.codegen.simd import copy_run
from netspec.core.beside import Lens, Products, Pull
from netspec.kernels.beside import leave_products
from netspec.kernels.norm import pull_back, scale_shift

OPTIONS: Any = {"error_model": "numpy", "fastmath": {"contract"}, "nogil": True, "_nrt": False}
"""Options of the chain's kernels, those of netspec's own."""
_JIT: Any = {"jit_options": {"error_model": "numpy", "fastmath": {"contract"}}, "strict": False}


@helper
def see(x: Vector, at: int, lens: Lens, c: int, near: Vector, to: int, count: int) -> None:
    """near[to : to + count] = x[at : at + count], channels c and following of a pixel, seen through a lens."""
    if lens.factor.size:
        scale_shift(count, x, at, lens.factor, c, lens.offset, c, near, to, lens.low)
    else:
        copy_run(x, at, near, to, count)


@helper
def see_back(dy: Vector, at: int, pull: Pull, pixel: int, c: int, near: Vector, to: int, count: int) -> None:
    """near[to : to + count] = dy[at : at + count], channels c and following of a pixel, seen through a pull."""
    if pull.of_dy.size:
        factor, offset, x = pull.lens.factor, pull.lens.offset, pixel * pull.pitch + c
        pull_back(
            count,
            pull.x,
            x,
            dy,
            at,
            factor,
            c,
            offset,
            c,
            pull.centre,
            c,
            pull.of_dy,
            c,
            pull.of_x,
            c,
            pull.shift,
            c,
            near,
            to,
            pull.lens.low,
        )
    else:
        copy_run(dy, at, near, to, count)


def _halves(array: Any) -> bool:
    return bool(array.dtype == types.uint16)


def seen(x: Any, at: int, lens: Any, near: Any, to: int, raw: Any, begin: int, count: int) -> None:
    """near[to : to + count] = x[at : at + count] through a lens; raw[begin : ...] without it, where x is bfloat16."""


def bring(x: Any, at: int, raw: Any, count: int) -> None:
    """raw[:count] = x[at : at + count], where x is bfloat16."""


def pulled(dy: Any, pixel: int, pull: Any, near: Any, to: int, raw: Any, count: int) -> None:
    """near[to : to + count] = a pixel of dy through a pull. raw: (2 * count,)."""


def target(y: Any, at: int, scratch: Any) -> Any:
    """(array, offset) where float32 values are written that are to be y[at : ...]."""


def keep(y: Any, at: int, scratch: Any, begin: int, count: int) -> None:
    """Write y[at : at + count] from scratch[begin : ...], unless `target` was y itself."""


def leave(x: Any, dy: Any, at: int, pixel: int, number: int, products: Any, raw: Any, piece: int, first: bool) -> None:
    """`leave_products` of rows that `target` gave. x: the BatchNorm's bottom; raw: those rows of it, where widened."""


@overload(seen, **_JIT)
def _seen(x: Any, at: int, lens: Any, near: Any, to: int, raw: Any, begin: int, count: int) -> Any:
    if _halves(x):

        def wide(x, at, lens, near, to, raw, begin, count):  # type: ignore[no-untyped-def]
            widen_run(x, at, raw, begin, count)
            see(raw, begin, lens, 0, near, to, count)

        return wide

    def same(x, at, lens, near, to, raw, begin, count):  # type: ignore[no-untyped-def]
        see(x, at, lens, 0, near, to, count)

    return same


@overload(bring, **_JIT)
def _bring(x: Any, at: int, raw: Any, count: int) -> Any:
    if _halves(x):
        return lambda x, at, raw, count: widen_run(x, at, raw, 0, count)
    return lambda x, at, raw, count: None


@overload(pulled, **_JIT)
def _pulled(dy: Any, pixel: int, pull: Any, near: Any, to: int, raw: Any, count: int) -> Any:
    if _halves(dy):

        def wide(dy, pixel, pull, near, to, raw, count):  # type: ignore[no-untyped-def]
            widen_run(dy, pixel * count, raw, 0, count)
            widen_run(pull.x, pixel * count, raw, count, count)
            near_pull = Pull(raw[count:], count, pull.lens, pull.centre, pull.of_dy, pull.of_x, pull.shift)
            see_back(raw, 0, near_pull, 0, 0, near, to, count)

        return wide

    def same(dy, pixel, pull, near, to, raw, count):  # type: ignore[no-untyped-def]
        see_back(dy, pixel * count, pull, pixel, 0, near, to, count)

    return same


@overload(target, **_JIT)
def _target(y: Any, at: int, scratch: Any) -> Any:
    if _halves(y):
        return lambda y, at, scratch: (scratch, 0)
    return lambda y, at, scratch: (y, at)


@overload(keep, **_JIT)
def _keep(y: Any, at: int, scratch: Any, begin: int, count: int) -> Any:
    if _halves(y):
        return lambda y, at, scratch, begin, count: narrow_run(scratch, begin, y, at, count)
    return lambda y, at, scratch, begin, count: None


@overload(leave, **_JIT)
def _leave(x: Any, dy: Any, at: int, pixel: int, number: int, products: Any, raw: Any, piece: int, first: bool) -> Any:
    if _halves(x):

        def wide(x, dy, at, pixel, number, products, raw, piece, first):  # type: ignore[no-untyped-def]
            width = products.pitch
            near = Products(raw, width, products.lens, products.centre, products.pieces)
            leave_products(dy, at, width, 0, number, 0, width, near, piece, first)

        return wide

    def same(x, dy, at, pixel, number, products, raw, piece, first):  # type: ignore[no-untyped-def]
        leave_products(dy, at, products.pitch, pixel, number, 0, products.pitch, products, piece, first)

    return same
