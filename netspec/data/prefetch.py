"""The threads that prepare batches before they are asked for."""

from __future__ import annotations

import os
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from itertools import count
from typing import TYPE_CHECKING, Any, Self

from netspec.core.threads import start
from netspec.data.feed import Feed, copy_batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]

_TURN, _PATIENCE = 0.1, 5.0
"""Seconds: between two questions while a batch is not there; for which the end of a source is waited for."""


class Prefetcher:
    """Threads that prepare the batches at position, position + step, ... in a ring of `depth` buffers.

    Batches are those of `feed.fill`, and are taken in their order. Each thread prepares a whole batch, and there are as
    many as the feed's data say, or `readers`. The data end at position `stop`: the batch that reaches it is cut short
    there. `waited` counts the seconds that `take` had to wait. The threads know the work, not the Prefetcher: they end
    when the Prefetcher is closed, or when nobody holds it any more.
    """

    def __init__(
        self,
        feed: Feed,
        position: int,
        size: int,
        *,
        step: int | None = None,
        stop: int | None = None,
        depth: int | None = None,
        readers: int | None = None,
    ) -> None:
        self.waited = 0.0
        self._position: int | None = position
        self._step, self._process = step or size, os.getpid()
        self._failed: BaseException | None = None
        readers = readers or feed.readers
        self._work = _Work(
            feed,
            size,
            depth or readers + 2,
            range(position, stop, self._step) if stop is not None else count(position, self._step),
            stop,
        )
        self._threads = [
            threading.Thread(target=self._work.run, name="netspec feed", daemon=True) for _ in range(readers)
        ]
        self._end = weakref.finalize(self, self._work.end)
        self._end.atexit = False  # the threads are daemons
        for thread in self._threads:
            start(thread)

    @property
    def position(self) -> int | None:
        """Position of the batch that `take` gives next.

        None after a `take` that did not come to its end, and in a forked process, which does not have the threads.
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
        """End the threads and wait for them; a source that hangs is left behind."""
        self._end()
        deadline = time.monotonic() + _PATIENCE
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_Ready = tuple[int, "tuple[Array, ...]"] | BaseException


class _Work:
    """The threads' side: a ring of buffers, those that are free, and those that are ready with their batches.

    The lock `bell` is released when something is ready. A queue that is asked with a timeout would do, but for a signal
    that comes when the time is up: CPython 3.11 then waits for ever (Modules/_queuemodule.c computes a negative rest).
    """

    def __init__(self, feed: Feed, size: int, depth: int, positions: Iterable[int], stop: int | None) -> None:
        self.free: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self.bell = threading.Lock()
        self._feed, self._size, self._stop = feed, size, stop
        self._ring = [feed.buffers(size) for _ in range(depth)]
        self._turn, self._giving = threading.Lock(), threading.Lock()
        self._batches = enumerate(positions)
        self._begun, self._taken = 0, 0
        self._ready: dict[int, _Ready] = {}
        """By the number of the batch, counted from 0."""
        self._ending = False
        for slot in range(depth):
            self.free.put(slot)

    def next(self) -> _Ready | None:
        """The batch whose turn it is; None where it is not ready yet."""
        ready = self._ready.pop(self._taken, None)
        self._taken += ready is not None
        return ready

    def _give(self, number: int, ready: _Ready) -> None:
        with self._giving:
            self._ready[number] = ready
            if self.bell.locked():  # nobody else releases it
                self.bell.release()

    def end(self) -> None:
        """Let each thread end after the batch that it is at."""
        self._ending = True
        self.free.put(None)

    def _begin(self) -> tuple[int, int, int] | None:
        """The number of the next batch, its position, and a slot for it; None where the work ends.

        Slots are given out in the order of the batches, so that the batch whose turn it is always has one.
        """
        with self._turn:
            slot = None if self._ending else self.free.get()
            if slot is None or self._ending:
                self.free.put(None)  # for the other threads
                return None
            number, position = next(self._batches, (self._begun, None))
            self._begun = number + 1
            if position is None:
                self.end()
                self._give(number, IndexError("all batches were taken"))
                return None
            return number, position, slot

    def run(self) -> None:
        """Prepare batches until the data or the Prefetcher end."""
        while (begun := self._begin()) is not None:
            number, position, slot = begun
            short = self._size if self._stop is None else min(self._size, self._stop - position)
            ring = self._ring[slot]
            into = ring if short == self._size else tuple(array[:short] for array in ring)
            try:
                self._feed.fill(position, into)
            except BaseException as error:  # `take` raises it again
                self.end()
                self._give(number, error)
            else:
                self._give(number, (slot, into))
