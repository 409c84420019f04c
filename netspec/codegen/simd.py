"""Vector instructions, written in LLVM's own language, for products and very short runs.

The compiler's vectoriser does these badly. A vector is as wide as the host's widest, or as NETSPEC_VECTOR_BYTES says
where that is less: 16 as on ARM, 32 as with AVX2, 64 with AVX-512. Sums whose lanes meet at the end (rows of few,
gradients of channels) are rounded otherwise at another width; on one kind of CPU bits repeat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils

from netspec.codegen import environment
from netspec.codegen.cpu import features
from netspec.codegen.intrinsics import intrinsic

_FEATURES = features() if numba.config.CPU_NAME in (None, "host") else {"avx2": True}
_WIDEST = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx2") else 16
BYTES = min(_WIDEST, environment.number_of("NETSPEC_VECTOR_BYTES", (16, 32, 64)) or _WIDEST)
"""Bytes of a vector register."""
LINE = 64
"""Bytes of a cache line."""
REGISTERS = 16 if BYTES == 32 else 32
"""Number of vector registers: 32 with AVX-512 and on ARM, else 16."""

_INDEX, _WORD = ir.IntType(32), ir.IntType(64)


def number(value: int) -> Any:
    """An int64 constant."""
    return ir.Constant(_WORD, value)


def place(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    """The address of array[offset]."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def prefetch(builder: Any, place: Any, writing: bool, near: int = 3) -> None:
    """Prefetch the cache line at a pointer, for reading or writing; the pointer may be invalid.

    `near` is 3 for the nearest cache, 2 for the second.
    """
    kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, _INDEX, _INDEX, _INDEX])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(
        function,
        [builder.bitcast(place, cgutils.voidptr_t), *(ir.Constant(_INDEX, value) for value in (int(writing), near, 1))],
    )


def stream(builder: Any, value: Any, place: Any) -> None:
    """Write a vector at a pointer that is a multiple of BYTES, past the caches."""
    store = builder.store(value, place, align=BYTES)
    store.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(_INDEX, 1)]))


def stream_far(builder: Any, value: Any, place: Any, far: Any, bytes: int) -> None:
    """Write a vector of numbers of so many bytes; past the caches, if `far` is not 0 and the pointer allows it."""
    beside = builder.and_(builder.ptrtoint(place, _WORD), number(BYTES - 1))
    fits = builder.icmp_unsigned("==", beside, number(0))
    with builder.if_else(builder.and_(fits, builder.icmp_unsigned("!=", far, number(0)))) as (streamed, stored):
        with streamed:
            stream(builder, value, place)
        with stored:
            builder.store(value, place, align=bytes)


def intrinsic_of(words: tuple[str, ...], generate: Callable[..., Any]) -> Any:
    """The intrinsic of arguments with these names, all of them int64, that `generate` emits."""
    scope = {"generate": generate, "signature": types.void(*[types.int64] * len(words))}
    exec(compile(f"def emit(typing, {', '.join(words)}):\n    return signature, generate\n", __file__, "exec"), scope)
    return intrinsic(scope["emit"])


def caller(count: int, optional: int = 0) -> Any:
    """call(code, *words): call compiled code by its address with `count` int64; a named tuple stands for its fields.

    Of the last `optional` of them some may be left out, from the end, and are 0 then.
    """

    def call(typing: Any, code: Any, *words: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            given = list(_numbers(builder, args[1]))
            if len(given) >= count - optional:
                given += [number(0)] * (count - len(given))
            if len(given) != count:
                raise TypeError(f"the code takes {count} numbers, not {len(given)}")
            pointer = ir.FunctionType(ir.VoidType(), [_WORD] * count).as_pointer()
            builder.call(builder.inttoptr(args[0], pointer), given)
            return context.get_dummy_value()

        return types.void(types.int64, types.StarArgTuple.from_types(words)), generate

    return intrinsic(call)


def _numbers(builder: Any, value: Any) -> Iterator[Any]:
    """A number, or those of a tuple of numbers and tuples."""
    if isinstance(value.type, (ir.ArrayType, ir.LiteralStructType)):
        for i in range(len(value.type)):
            yield from _numbers(builder, builder.extract_value(value, i))
    else:
        yield value


class Vectors:
    """Writes vector instructions for numbers of `bytes` bytes.

    With `masked`, loads and stores touch only the lanes of a mask.
    """

    def __init__(self, builder: Any, bytes: int, masked: bool) -> None:
        self.builder, self.bytes, self.masked = builder, bytes, masked
        self.lanes = BYTES // bytes
        self.kind = ir.VectorType(ir.FloatType() if bytes == 4 else ir.DoubleType(), self.lanes)
        self.zero = ir.Constant(self.kind, None)

    def spread(self, value: Any, kind: Any = None) -> Any:
        """A vector with `value` in every lane."""
        nothing = ir.Constant(kind or self.kind, ir.Undefined)
        first = self.builder.insert_element(nothing, value, ir.Constant(_INDEX, 0))
        return self.builder.shuffle_vector(first, nothing, ir.Constant(ir.VectorType(_INDEX, self.lanes), None))

    def mask(self, count: Any, v: int = 0) -> Any:
        """A mask of the lanes of a row's v-th vector that are among its first `count` numbers."""
        kind = ir.VectorType(_WORD, self.lanes)
        lanes = ir.Constant(kind, [v * self.lanes + lane for lane in range(self.lanes)])
        return self.builder.icmp_signed("<", lanes, self.spread(count, kind))

    def load(self, row: Any, mask: Any, v: int = 0) -> Any:
        """The v-th vector of a row that begins at an address; 0 in lanes outside the mask."""
        at = self._at(row, v)
        if not self.masked:
            return self.builder.load(at, align=self.bytes)
        return self._call("masked.load", ".p0", self.kind, at, ir.Constant(_INDEX, self.bytes), mask, self.zero)

    def store(self, value: Any, row: Any, mask: Any, v: int = 0) -> None:
        """Write the v-th vector of a row, or those of its lanes that are in the mask."""
        at = self._at(row, v)
        if self.masked:
            self._call("masked.store", ".p0", ir.VoidType(), value, at, ir.Constant(_INDEX, self.bytes), mask)
        else:
            self.builder.store(value, at, align=self.bytes)

    def multiply_add(self, a: Any, b: Any, c: Any) -> Any:
        """a * b + c, rounded once where the host can."""
        return self._call("fmuladd", "", self.kind, a, b, c)

    def _at(self, row: Any, v: int) -> Any:
        return self.builder.bitcast(self.builder.gep(row, [number(v * self.lanes)]), self.kind.as_pointer())

    def _call(self, name: str, suffix: str, result: Any, *args: Any) -> Any:
        name = f"llvm.{name}.v{self.lanes}f{8 * self.bytes}{suffix}"
        kind = ir.FunctionType(result, [a.type for a in args])
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, kind, name), args)


def _run(adding: bool) -> Any:
    """The intrinsic of a run: `copy_run` or `add_run`."""

    def run(typing: Any, x: Any, x0: Any, y: Any, y0: Any, count: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            frm = place(context, builder, signature.args[0], args[0], args[1])
            to = place(context, builder, signature.args[2], args[2], args[3])
            emit = Vectors(builder, x.dtype.bitwidth // 8, masked=True)
            vectors = builder.udiv(builder.add(args[4], number(emit.lanes - 1)), number(emit.lanes))
            with cgutils.for_range(builder, vectors) as loop:
                done = builder.mul(loop.index, number(emit.lanes))
                source, target, mask = (
                    builder.gep(frm, [done]),
                    builder.gep(to, [done]),
                    emit.mask(builder.sub(args[4], done)),
                )
                value = emit.load(source, mask)
                emit.store(builder.fadd(emit.load(target, mask), value) if adding else value, target, mask)
            return context.get_dummy_value()

        return types.void(x, types.int64, y, types.int64, types.int64), generate

    return intrinsic(run)


def _clear() -> Any:
    """The intrinsic `clear_run`."""

    def clear(typing: Any, y: Any, y0: Any, count: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            start = place(context, builder, signature.args[0], args[0], args[1])
            cgutils.memset(builder, start, builder.mul(args[2], number(y.dtype.bitwidth // 8)), 0)
            return context.get_dummy_value()

        return types.void(y, types.int64, types.int64), generate

    return intrinsic(clear)


@intrinsic
def expect(typing: Any, address: Any) -> Any:
    """expect(address): prefetch the cache line at an address, which may be invalid, into the second cache."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        prefetch(builder, builder.inttoptr(args[0], cgutils.voidptr_t), writing=False, near=2)
        return context.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic
def settle(typing: Any) -> Any:
    """settle(): what was written past the caches is in memory before anything that follows."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def lanes_of(typing: Any, x: Any) -> Any:
    """The number of elements of an array that fit a vector."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return number(8 * BYTES // x.dtype.bitwidth)

    return types.int64(x), generate


copy_run = _run(adding=False)
"""copy_run(x, x0, y, y0, count): y[y0 : y0+count] = x[x0 : x0+count]; x and y are flat."""
add_run = _run(adding=True)
"""add_run(x, x0, y, y0, count): y[y0 : y0+count] += x[x0 : x0+count]; x and y are flat."""
clear_run = _clear()
"""clear_run(y, y0, count): y[y0 : y0+count] = 0; y is flat."""
