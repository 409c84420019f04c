"""The thread that prepares batches before they are asked for."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from netspec.data.feed import Feed, copy_batch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


class Prefetcher:
    """A thread that prepares the batches at position, position + step, ... in a ring of buffers.

    Batches are those of `feed.fill`. The data end at position `stop`: the batch that reaches it is cut short there.
    `waited` counts the seconds that `take` had to wait.
    """

    def __init__(
        self, feed: Feed, position: int, size: int, *, step: int | None = None, stop: int | None = None, depth: int = 3
    ) -> None:
        self.waited = 0.0
        self._feed, self._ring = feed, [feed.buffers(size) for _ in range(depth)]
        self._free: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._ready: queue.SimpleQueue[tuple[int, tuple[Array, ...]] | BaseException] = queue.SimpleQueue()
        self._failed: BaseException | None = None
        self._closing = False
        for slot in range(depth):
            self._free.put(slot)
        self._thread = threading.Thread(
            target=self._work, args=(position, size, step or size, stop), name="netspec feed", daemon=True
        )
        self._thread.start()

    def _work(self, position: int, size: int, step: int, stop: int | None) -> None:
        try:
            while stop is None or position < stop:
                slot = self._free.get()
                if slot is None or self._closing:
                    return
                short = size if stop is None else min(size, stop - position)
                into = tuple(array[:short] for array in self._ring[slot])
                self._feed.fill(position, into)
                self._ready.put((slot, into))
                position += step
            self._ready.put(IndexError("all batches were taken"))
        except BaseException as error:  # `take` raises it again
            self._ready.put(error)

    def take(self, into: tuple[Array, ...]) -> None:
        """Copy the next batch into the net's input arrays, (N, *shape) for each output that the net takes.

        Raises the error that preparing the batch raised.
        """
        if self._failed is None:
            start = time.perf_counter()
            ready = self._ready.get()
            self.waited += time.perf_counter() - start
            if not isinstance(ready, BaseException):
                slot, batch = ready
                copy_batch(batch, into)
                self._free.put(slot)
                return
            self._failed = ready
        raise self._failed

    def close(self) -> None:
        """End the thread and wait for it."""
        self._closing = True
        self._free.put(None)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
