"""The driver, which runs a table of compiled kernels, and the threads it runs them on.

`drive` walks a table of (function address, descriptor address, parts) in one call, together with helpers (`crew`), so
results cannot depend on the number of threads. It may be called from any thread, by several at once, and in a forked
process: there it runs on one thread, since the threads of the parent do not survive a fork (decisions 16, 20).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, cast

import numba
import numpy as np
from numba import types
from numba.core.compiler_lock import global_compiler_lock
from numpy.typing import NDArray

from netspec.codegen import cache as compiled_code
from netspec.codegen import crew, environment
from netspec.codegen.atomics import call as call_kernel
from netspec.codegen.kernel import JitKernel
from netspec.core.calls import Call, Routine

_HOME = os.getpid()
"""The process whose threads the driver uses; in a process that is forked from it the driver is alone."""


def _drive(table: Any, first: int, last: int, room: int, seats: int) -> None:
    helped = seats > 0 and crew.take_floor(room)
    for step in range(first, last):
        function, descriptor, parts = table[step, 0], table[step, 1], table[step, 2]
        if helped and parts > 1:
            crew.together(function, descriptor, parts, room, seats)
        else:
            for part in range(parts):
                call_kernel(function, descriptor, part)
    if helped:
        crew.leave_floor(room)


Drive = Callable[[NDArray[np.int64], int, int, int, int], None]


def _machine_code(function: Callable[..., Any], *arguments: Any) -> Any:
    """A function of these arguments that returns nothing, compiled or loaded from the cache. Raises SettingError."""
    environment.check()
    dispatcher = numba.njit(nogil=True)(function)
    compiled_code.keep(dispatcher, function)
    known = len(dispatcher.stats.cache_hits)
    dispatcher.compile(types.void(*arguments))
    if len(dispatcher.stats.cache_hits) == known:
        compiled_code.tell("driver")
    return dispatcher


@cache
def _compiled() -> Drive:
    """`drive(table, first, last, room, seats)` as machine code."""
    return cast(Drive, _machine_code(_drive, types.int64[:, ::1], *[types.int64] * 4))


@cache
def _crew() -> crew.Crew:
    """The helpers of this process, one fewer than threads."""
    serve = cast(crew.Serve, _machine_code(crew.serve, types.int64, types.int64))
    return crew.Crew(serve, most_threads() - 1)


_STARTING = threading.Lock()
"""Held while helpers are started."""


def alone() -> bool:
    """Whether this process was forked from the one whose threads the driver uses."""
    return os.getpid() != _HOME


def prepare_driver() -> None:
    """Compile the driver, or load it from the cache, and start the calling thread's helpers. Raises SettingError."""
    _compiled()
    if threads_here() > 1:
        with _STARTING:
            _crew().want(threads_here() - 1)


def drive(table: NDArray[np.int64], first: int, last: int, threads: int) -> None:
    """Run the steps first..last-1 of a table in order, the parts of each on this many threads.

    An interrupt comes before all of them or after all of them: they are a single call for Python.
    """
    if threads == 1 or alone():
        _compiled()(table, first, last, 0, 0)
    else:
        _compiled()(table, first, last, _crew().room.address, threads - 1)


if hasattr(os, "register_at_fork"):  # no other thread is in the middle of compiling when a child begins
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )


class _Limit(threading.local):
    """Of each thread: the number of threads that `limit_threads` left to it."""

    threads: int | None = None


_LIMIT = _Limit()


@cache
def most_threads() -> int:
    """The threads that there are at most: NUMBA_NUM_THREADS, else the cores that the process may use."""
    return max(1, int(numba.config.NUMBA_NUM_THREADS))


def limit_threads(threads: int | None) -> int:
    """Let what is bound from now on in this thread use this many threads (None: all cores the process may use).

    Returns how many it got: 1 in a forked process.
    """
    _LIMIT.threads = max(1, min(threads or most_threads(), most_threads()))
    return threads_here()


def threads_here() -> int:
    """The threads that `limit_threads` left to the calling thread."""
    return 1 if alone() else _LIMIT.threads or most_threads()


def run(calls: Iterable[Call], dtype: str) -> None:
    """Run calls outside a program, for tests and debugging. Arguments are checked like a program's."""
    prepare_driver()
    for call in calls:
        if isinstance(call.kernel, Routine):
            call.kernel.function(*call.args)
            continue
        if not isinstance(call.kernel, JitKernel):
            raise TypeError(f"{call.kernel} is no kernel")
        parts = call.parts or call.kernel.parts(call.args)
        words, alive = call.kernel.describe(call.args, parts, dtype)
        descriptor = np.array(words, np.int64)
        table = np.array([[call.kernel.address(dtype), descriptor.ctypes.data, parts]], np.int64)
        drive(table, 0, 1, threads_here())
        del alive
