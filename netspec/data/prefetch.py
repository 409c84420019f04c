"""The thread that prepares batches before they are asked for."""

from __future__ import annotations

import os
import queue
import threading
import time
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from netspec.data.feed import Feed, copy_batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_TURN, _PATIENCE = 0.1, 5.0
"""Seconds: between two questions while a batch is not there; for which the end of a source is waited for."""


class Prefetcher:
    """A thread that prepares the batches at position, position + step, ... in a ring of buffers.

    Batches are those of `feed.fill`. The data end at position `stop`: the batch that reaches it is cut short there.
    `waited` counts the seconds that `take` had to wait. The thread knows the work, not the Prefetcher: it ends when the
    Prefetcher is closed, or when nobody holds it any more.
    """

    def __init__(
        self, feed: Feed, position: int, size: int, *, step: int | None = None, stop: int | None = None, depth: int = 3
    ) -> None:
        self.waited = 0.0
        self._position: int | None = position
        self._step, self._process = step or size, os.getpid()
        self._failed: BaseException | None = None
        self._work = _Work(feed, size, depth)
        self._thread = threading.Thread(
            target=self._work.run, args=(position, self._step, stop), name="netspec feed", daemon=True
        )
        self._end = weakref.finalize(self, self._work.end)
        self._end.atexit = False  # the thread is a daemon
        self._thread.start()

    @property
    def position(self) -> int | None:
        """Position of the batch that `take` gives next.

        None after a `take` that did not come to its end, and in a forked process, which does not have the thread.
        """
        return self._position if self._process == os.getpid() else None

    def take(self, into: tuple[Array, ...], waiting: Callable[[], None] = lambda: None) -> None:
        """Copy the next batch into the net's input arrays, (N, *shape) for each output that the net takes.

        While the batch is not there, `waiting` is called from time to time, and may raise. Raises the error that
        preparing the batch raised.
        """
        if self._failed is None:
            at, self._position = self._position, None
            start = time.perf_counter()
            while (ready := self._work.next()) is None:
                if not self._work.bell.acquire(timeout=_TURN):
                    waiting()
            self.waited += time.perf_counter() - start
            if not isinstance(ready, BaseException):
                slot, batch = ready
                copy_batch(batch, into)
                self._work.free.put(slot)
                self._position = None if at is None else at + self._step
                return
            self._failed = ready
        raise self._failed

    def close(self) -> None:
        """End the thread and wait for it; a source that hangs is left behind."""
        self._end()
        self._thread.join(_PATIENCE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_Ready = tuple[int, "tuple[Array, ...]"] | BaseException


class _Work:
    """The thread's side: a ring of buffers, those that are free, and those that are ready with their batches.

    The lock `bell` is released when something is ready. A queue that is asked with a timeout would do, but for a signal
    that comes when the time is up: CPython 3.11 then waits for ever (Modules/_queuemodule.c computes a negative rest).
    """

    def __init__(self, feed: Feed, size: int, depth: int) -> None:
        self.free: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self.bell = threading.Lock()
        self._ready: queue.SimpleQueue[_Ready] = queue.SimpleQueue()
        self._feed, self._size = feed, size
        self._ring = [feed.buffers(size) for _ in range(depth)]
        self._ending = False
        for slot in range(depth):
            self.free.put(slot)

    def next(self) -> _Ready | None:
        """What is ready next; None where there is nothing yet."""
        try:
            return self._ready.get_nowait()
        except queue.Empty:
            return None

    def _give(self, ready: _Ready) -> None:
        self._ready.put(ready)
        if self.bell.locked():  # nobody else releases it
            self.bell.release()

    def end(self) -> None:
        """Let the thread end after the batch that it is at."""
        self._ending = True
        self.free.put(None)

    def run(self, position: int, step: int, stop: int | None) -> None:
        """Prepare batches until the data or the Prefetcher end."""
        try:
            while stop is None or position < stop:
                slot = self.free.get()
                if slot is None or self._ending:
                    return
                short = self._size if stop is None else min(self._size, stop - position)
                into = tuple(array[:short] for array in self._ring[slot])
                self._feed.fill(position, into)
                self._give((slot, into))
                position += step
            self._give(IndexError("all batches were taken"))
        except BaseException as error:  # `take` raises it again
            self._give(error)
