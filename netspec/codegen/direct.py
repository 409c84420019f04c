"""A kernel called by itself, outside a program: by the calling thread, in one part, without Python's lock.

Threads that read data call kernels so, several at the same time.
"""

from __future__ import annotations

import ctypes
import threading
from typing import Any

import numpy as np

from netspec.codegen.kernel import JitKernel

_PROTOTYPE = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)
_FIRST = threading.Lock()
"""Held while a kernel is compiled or loaded, so that one thread does it."""


def call(kernel: JitKernel, dtype: str, *args: Any) -> None:
    """Run a kernel with these arguments, which are checked like a program's, for float32 or float64."""
    words, alive = kernel.describe(args, 1, dtype)
    descriptor = np.array(words, np.int64)
    with _FIRST:
        address = kernel.address(dtype)
    _PROTOTYPE(address)(descriptor.ctypes.data, 0)
    del alive
