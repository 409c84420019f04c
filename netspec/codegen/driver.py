"""The driver, which runs a table of compiled kernels, and the threads it runs them on.

`drive` walks a table of (function address, descriptor address, parts) with one parallel loop a step, so results cannot
depend on the number of threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

from netspec.codegen import cache as compiled_code
from netspec.codegen.intrinsics import intrinsic
from netspec.codegen.kernel import JitKernel
from netspec.core.calls import Call

if os.environ.keys().isdisjoint(("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")):
    # A thread that is done spins about 50 us for the others, then sleeps. GNU's own 300,000 turns outlast a time slice:
    # with another process on one of two cores a step took four to six times as long (benchmarks/README.md).
    # Read when numba starts its threads.
    os.environ["GOMP_SPINCOUNT"] = "1000"


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


def _drive(table: Any, first: int, last: int) -> None:
    for step in range(first, last):
        function, descriptor, parts = table[step, 0], table[step, 1], table[step, 2]
        if parts == 1:
            _call(function, descriptor, 0)
        else:
            for part in numba.prange(parts):
                _call(function, descriptor, part)


@cache
def driver() -> Callable[[NDArray[np.int64], int, int], None]:
    """`drive(table, first, last)`: run these steps of a table in order, the parts of each in parallel."""
    dispatcher = numba.njit(parallel=True, nogil=True)(_drive)
    compiled_code.keep(dispatcher, _drive)
    known = len(dispatcher.stats.cache_hits)
    dispatcher.compile(types.void(types.int64[:, ::1], types.int64, types.int64))
    if len(dispatcher.stats.cache_hits) == known:
        compiled_code.tell("driver")
    return dispatcher  # type: ignore[no-any-return]


def limit_threads(threads: int | None) -> int:
    """Let the driver use this many threads (None: all cores the process may use); returns how many it got."""
    most = int(numba.config.NUMBA_NUM_THREADS)
    numba.set_num_threads(max(1, min(threads or most, most)))
    return int(numba.get_num_threads())


def threading_layer() -> str:
    """numba's threading layer: 'omp', or 'workqueue' without libgomp (the same bits, a little slower)."""
    driver()
    try:
        return str(numba.threading_layer())
    except ValueError:  # no parallel loop has run yet
        driver()(np.zeros((1, 3), np.int64), 0, 0)
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
        driver()(table, 0, 1)
        del alive
