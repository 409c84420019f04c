"""The driver, which runs a table of compiled kernels, and the threads it runs them on.

`drive` walks a table of (function address, descriptor address, parts) with one parallel loop a step, so results cannot
depend on the number of threads. It may be called from any thread, and in a forked process: there it runs on
one thread, since the threads of the parent do not survive a fork, and GNU OpenMP then waits for them for ever
(decision 16).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, cast

import numba
import numpy as np
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.core.compiler_lock import global_compiler_lock
from numpy.typing import NDArray

from netspec.codegen import cache as compiled_code
from netspec.codegen import environment
from netspec.codegen.intrinsics import intrinsic
from netspec.codegen.kernel import JitKernel
from netspec.core.calls import Call

if os.environ.keys().isdisjoint(("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")):
    # A thread that is done spins about 50 us for the others, then sleeps. GNU's own 300,000 turns outlast a time slice:
    # with another process on one of two cores a step took four to six times as long (benchmarks/README.md).
    # Read when numba starts its threads.
    os.environ["GOMP_SPINCOUNT"] = "1000"

_HOME = os.getpid()
"""The process whose threads the driver uses; in a process that is forked from it the driver is alone."""


@intrinsic
def _call(typingctx: Any, function: Any, descriptor: Any, part: Any) -> Any:
    """Call a compiled kernel by its address."""
    from llvmlite import ir

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        pointer = ir.FunctionType(ir.VoidType(), [word, word]).as_pointer()
        builder.call(builder.inttoptr(args[0], pointer), [args[1], args[2]])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), generate


@intrinsic
def _swap(typingctx: Any, threads: Any) -> Any:
    """Let the calling thread's parallel loops use this many threads, if more than 0; the number before.

    By the names that numba's own compiled loops use. Its Python functions for this take a lock, in Python: an exception
    that comes while they do leaves it locked for ever.
    """
    from llvmlite import ir

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        number, module = ir.IntType(32), builder.module
        get = get_or_insert_function(module, ir.FunctionType(number, []), "get_num_threads")
        put = get_or_insert_function(module, ir.FunctionType(ir.VoidType(), [number]), "set_num_threads")
        before, wanted = builder.call(get, []), builder.trunc(args[0], number)
        with builder.if_then(builder.icmp_signed(">", wanted, number(0))):
            builder.call(put, [wanted])
        return builder.zext(before, ir.IntType(64))

    return types.int64(types.int64), generate


def _swap_threads(threads: int) -> Any:
    return _swap(threads)


def _drive(table: Any, first: int, last: int) -> None:
    for step in range(first, last):
        function, descriptor, parts = table[step, 0], table[step, 1], table[step, 2]
        if parts == 1:
            _call(function, descriptor, 0)
        else:
            for part in numba.prange(parts):
                _call(function, descriptor, part)


def _drive_alone(table: Any, first: int, last: int) -> None:
    for step in range(first, last):
        function, descriptor, parts = table[step, 0], table[step, 1], table[step, 2]
        for part in range(parts):
            _call(function, descriptor, part)


Drive = Callable[[NDArray[np.int64], int, int], None]


def _machine_code(function: Callable[..., Any], signature: Any, **options: bool) -> Any:
    """A function compiled, or loaded from the cache. Raises SettingError."""
    environment.check()
    dispatcher = numba.njit(nogil=True, **options)(function)
    compiled_code.keep(dispatcher, function)
    known = len(dispatcher.stats.cache_hits)
    dispatcher.compile(signature)
    if len(dispatcher.stats.cache_hits) == known:
        compiled_code.tell("driver")
    return dispatcher


@cache
def _compiled(parallel: bool) -> Drive:
    """`drive(table, first, last)` as machine code: in parallel, or on the caller's thread alone."""
    signature = types.void(types.int64[:, ::1], types.int64, types.int64)
    return cast(Drive, _machine_code(_drive if parallel else _drive_alone, signature, parallel=parallel))


@cache
def _thread_setting() -> Callable[[int], int]:
    """`setting(threads)`: as `_swap`."""
    numba.get_num_threads()  # starts numba's threads, whose functions the code is linked with
    return cast(Callable[[int], int], _machine_code(_swap_threads, types.int64(types.int64)))


def alone() -> bool:
    """Whether this process was forked from the one whose threads the driver uses."""
    return os.getpid() != _HOME


_TURN = threading.Lock()
"""Held by a call in parallel where the threads serve one caller at a time."""


@cache
def _serve_many() -> bool:
    """Whether calls from several threads may run at the same time: not on numba's 'workqueue' threads."""
    return threading_layer() != "workqueue"


def prepare_driver() -> None:
    """Compile the driver, or load it from the cache."""
    _compiled(not alone())
    if not alone():
        _thread_setting()


def drive(table: NDArray[np.int64], first: int, last: int, threads: int) -> None:
    """Run the steps first..last-1 of a table in order, the parts of each on this many threads.

    An interrupt comes before all of them or after all of them: they are a single call for Python.
    """
    if alone():
        _compiled(False)(table, first, last)
    else:
        before = _thread_setting()(threads)
        try:
            with contextlib.nullcontext() if _serve_many() else _TURN:
                _compiled(True)(table, first, last)
        finally:
            _thread_setting()(before)  # the calling thread's own, for other code that it runs


def _before_fork() -> None:
    """Make ready for a child: its driver is compiled here, and no other thread is in the middle of compiling."""
    if not alone():
        _compiled(False)
    global_compiler_lock.acquire()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


def limit_threads(threads: int | None) -> int:
    """Let what is bound from now on in this thread use this many threads (None: all cores the process may use).

    Returns how many it got: 1 in a forked process.
    """
    if alone():
        return 1
    most = int(numba.config.NUMBA_NUM_THREADS)
    with environment.starting_threads(most):
        _thread_setting()(max(1, min(threads or most, most)))
    return threads_here()


def threads_here() -> int:
    """The threads that `limit_threads` left to the calling thread."""
    return 1 if alone() else int(_thread_setting()(0))


def threading_layer() -> str:
    """numba's threading layer: 'omp', or 'workqueue' without libgomp (the same bits, a little slower)."""
    prepare_driver()
    try:
        return str(numba.threading_layer())
    except ValueError:  # no parallel loop has run yet
        with _TURN:
            _compiled(True)(np.zeros((1, 3), np.int64), 0, 0)
        return str(numba.threading_layer())


def run(calls: Iterable[Call], dtype: str) -> None:
    """Run calls outside a program, for tests and debugging. Arguments are checked like a program's."""
    for call in calls:
        if not isinstance(call.kernel, JitKernel):
            raise TypeError(f"{call.kernel} is no kernel")
        parts = call.parts or call.kernel.parts(call.args)
        words, alive = call.kernel.describe(call.args, parts, dtype)
        descriptor = np.array(words, np.int64)
        table = np.array([[call.kernel.address(dtype), descriptor.ctypes.data, parts]], np.int64)
        drive(table, 0, 1, threads_here())
        del alive
