"""numba intrinsics for words that several threads share, and for a thread that waits.

All orders are sequentially consistent: who sees a word that another thread wrote also sees what it wrote before. The
locks are Python's own at C level, which every system has and which need no GIL: any thread may release them.
"""

from __future__ import annotations

import platform
from typing import Any

from numba import types
from numba.core.cgutils import get_or_insert_function

from netspec.codegen.intrinsics import intrinsic

WORD = types.int64
_ORDER = "seq_cst"


def _place(builder: Any, address: Any) -> Any:
    from llvmlite import ir

    return builder.inttoptr(address, ir.IntType(64).as_pointer())


@intrinsic
def seen(typingctx: Any, address: Any) -> Any:
    """The word at an address, as other threads left it."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(_place(builder, args[0]), _ORDER, 8)

    return WORD(WORD), generate


@intrinsic
def show(typingctx: Any, address: Any, value: Any) -> Any:
    """Write a word for other threads to see."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.store_atomic(args[1], _place(builder, args[0]), _ORDER, 8)
        return context.get_dummy_value()

    return types.void(WORD, WORD), generate


@intrinsic
def swap(typingctx: Any, address: Any, value: Any) -> Any:
    """Write a word; the word before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("xchg", _place(builder, args[0]), args[1], _ORDER)

    return WORD(WORD, WORD), generate


@intrinsic
def add(typingctx: Any, address: Any, value: Any) -> Any:
    """Add to a word; the word before."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _place(builder, args[0]), args[1], _ORDER)

    return WORD(WORD, WORD), generate


@intrinsic
def replace(typingctx: Any, address: Any, old: Any, new: Any) -> Any:
    """Write a word if the one there is `old`; whether it was."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pair = builder.cmpxchg(_place(builder, args[0]), args[1], args[2], _ORDER, _ORDER)
        return builder.extract_value(pair, 1)

    return types.boolean(WORD, WORD, WORD), generate


@intrinsic
def pause(typingctx: Any) -> Any:
    """Tell the CPU that the thread waits in a loop, where it has an instruction for that."""
    from llvmlite import ir

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        machine, nothing, number = platform.machine().lower(), ir.VoidType(), ir.IntType(32)
        if machine in ("x86_64", "amd64"):
            hint = get_or_insert_function(builder.module, ir.FunctionType(nothing, []), "llvm.x86.sse2.pause")
            builder.call(hint, [])
        elif machine in ("aarch64", "arm64"):  # a barrier: `yield` does nothing on most of them
            hint = get_or_insert_function(builder.module, ir.FunctionType(nothing, [number]), "llvm.aarch64.isb")
            builder.call(hint, [number(15)])
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def acquire(typingctx: Any, lock: Any) -> Any:
    """Sleep until a lock is free, and take it."""
    from llvmlite import ir

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, pointer = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(number, [pointer, number])
        function = get_or_insert_function(builder.module, kind, "PyThread_acquire_lock")
        builder.call(function, [builder.inttoptr(args[0], pointer), number(1)])
        return context.get_dummy_value()

    return types.void(WORD), generate


@intrinsic
def release(typingctx: Any, lock: Any) -> Any:
    """Free a lock, which wakes who sleeps for it."""
    from llvmlite import ir

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointer = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [pointer])
        function = get_or_insert_function(builder.module, kind, "PyThread_release_lock")
        builder.call(function, [builder.inttoptr(args[0], pointer)])
        return context.get_dummy_value()

    return types.void(WORD), generate


@intrinsic
def call(typingctx: Any, function: Any, descriptor: Any, part: Any) -> Any:
    """Call a compiled kernel by its address."""
    from llvmlite import ir

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        pointer = ir.FunctionType(ir.VoidType(), [word, word]).as_pointer()
        builder.call(builder.inttoptr(args[0], pointer), [args[1], args[2]])
        return context.get_dummy_value()

    return types.void(WORD, WORD, WORD), generate
