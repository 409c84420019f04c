"""Work beside the preparation of a training, on threads of its own.

Before its first iteration a training loads numba and compiled kernels and binds its steps, on one core. What needs no
result of that runs beside it: the fillers, and laying memory under arrays that the first iteration would otherwise find
without any. Neither changes a value: each param has a random stream of its own, and memory that is laid holds zeros.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Self

from netspec.core.threads import start

if TYPE_CHECKING:
    from netspec.core.calls import Array

_POPULATE_WRITE = 23
"""Linux, <linux/mman.h>: lay memory under these pages as writing would, and change nothing that they hold."""
STRETCH = 2**22
"""Bytes that are laid at once: the process can map no other memory meanwhile, which takes 10 ms at worst."""


class Beside:
    """`fill` on one thread and memory laid under `arrays` on another, for the length of a `with` block.

    The end of the block ends the laying, wherever it is: it is a head start. Where no thread can be started, `fill`
    runs at once and nothing is laid.
    """

    def __init__(self, fill: Callable[[], None], arrays: Iterable[Array]) -> None:
        self._fill, self._arrays = fill, tuple(arrays)
        self._failed: BaseException | None = None
        self._ended = threading.Event()
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        for work in (self._filling, self._laying):
            thread = threading.Thread(target=work, daemon=True, name="netspec preparation")
            try:
                start(thread)
            except RuntimeError:  # the machine starts no more
                break
            self._threads.append(thread)
        if not self._threads:
            self._fill()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait_filled(self) -> None:
        """Return when `fill` has; what it raised is raised here."""
        for thread in self._threads[:1]:
            thread.join()
        if self._failed is not None:
            raise self._failed

    def _filling(self) -> None:
        try:
            self._fill()
        except BaseException as error:
            self._failed = error

    def _laying(self) -> None:
        for array in self._arrays:
            lay(array, self._ended)


def lay(array: Array, ended: threading.Event) -> None:
    """Lay memory under the pages that are wholly in an array, until `ended`; on Linux 5.14 and later, else nothing."""
    madvise = getattr(ctypes.CDLL(None), "madvise", None) if sys.platform == "linux" else None
    if madvise is None:
        return
    import mmap

    page = mmap.PAGESIZE
    first = -(-array.ctypes.data // page) * page
    last = (array.ctypes.data + array.nbytes) // page * page
    for at in range(first, last, STRETCH):
        size = ctypes.c_size_t(min(STRETCH, last - at))
        if ended.is_set() or madvise(ctypes.c_void_p(at), size, _POPULATE_WRITE) != 0:
            return
