"""The machine's float32 peak, measured: multiply-adds that never leave the registers, on all threads at once.

python -m benchmarks.peak [THREADS]
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import llvmlite.binding as llvm
import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_FEATURES = llvm.get_host_cpu_features()
LANES = 16 if _FEATURES.get("avx512f") else 8 if _FEATURES.get("avx2") else 4
CHAINS = 12 if LANES == 8 else 24
"""Sums side by side: enough to hide the latency of a multiply-add, few enough for the registers."""
FLOPS = 2 * LANES * CHAINS
"""Operations of one turn of the loop."""
_TURNS = 10_000_000


@intrinsic
def _multiply_adds(typing: Any, turns: Any) -> Any:
    """turns: how often every chain computes s = s * a + b; returns the sum of all lanes of all chains."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = ir.VectorType(ir.FloatType(), LANES)
        call = ir.FunctionType(kind, [kind] * 3)
        fma = cgutils.get_or_insert_function(builder.module, call, f"llvm.fma.v{LANES}f32")
        a, b = (ir.Constant(kind, [value] * LANES) for value in (0.999, 0.001))
        chains = [cgutils.alloca_once_value(builder, ir.Constant(kind, [i / CHAINS] * LANES)) for i in range(CHAINS)]
        with cgutils.for_range(builder, args[0]):
            for chain in chains:
                builder.store(builder.call(fma, [builder.load(chain), a, b]), chain)
        total = builder.load(chains[0])
        for chain in chains[1:]:
            total = builder.fadd(total, builder.load(chain))
        result = ir.Constant(ir.FloatType(), 0.0)
        for lane in range(LANES):
            result = builder.fadd(result, builder.extract_element(total, ir.Constant(ir.IntType(32), lane)))
        return result

    return types.float32(types.int64), generate


@numba.njit(nogil=True)
def _spin(turns: int) -> float:
    return _multiply_adds(turns)


def peak(threads: int, tries: int = 5) -> float:
    """GFLOP/s of `threads` threads that compute at once, timed by CPU time, because the machine may be shared."""
    _spin(1)
    with ThreadPoolExecutor(threads) as pool:
        return max(sum(pool.map(_speed, [_TURNS] * threads)) for _ in range(tries))


def _speed(turns: int) -> float:
    """GFLOP/s of the calling thread."""
    begun = time.thread_time()
    _spin(turns)
    return turns * FLOPS / (time.thread_time() - begun) / 1e9


def main() -> None:
    """Print the peak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("threads", nargs="?", type=int, default=2)
    count = parser.parse_args().threads
    print(f"{peak(count):.0f} GFLOP/s with {count} threads, {LANES} lanes")


if __name__ == "__main__":
    main()
