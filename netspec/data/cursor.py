"""Cursor: a feed that is read batch after batch, each time from where the last batch ended, as Caffe reads data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from netspec.data.feed import Feed
from netspec.data.prefetch import Prefetcher

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]


class Reading(Protocol):
    """What is read batch after batch; `taken` is the number of the batch that comes next."""

    taken: int

    @property
    def waited(self) -> float:
        """Seconds that `take` has waited until now."""
        ...

    def take(self, into: tuple[Array, ...], between: Callable[[], None] = ...) -> None:
        """Copy the next batch into a net's inputs."""
        ...

    def close(self) -> None:
        """End what prepares batches."""
        ...


class Cursor:
    """Reads a feed in batches of `size` samples, prepared ahead by threads.

    `taken` is the number of the batch that comes next; whoever changes it reads on from there.
    """

    def __init__(self, feed: Feed, size: int) -> None:
        self.taken = 0
        self._waited = 0.0
        self._feed, self._size = feed, size
        self._ahead: Prefetcher | None = None

    def take(self, into: tuple[Array, ...], between: Callable[[], None] = lambda: None) -> None:
        """Copy the next batch into a net's inputs. `between` may raise while the batch is waited for."""
        position = self.taken * self._size
        if self._ahead is None or self._ahead.position != position:
            self.close()
            self._ahead = Prefetcher(self._feed, position, self._size)
        self._ahead.take(into, between)
        self.taken += 1

    @property
    def waited(self) -> float:
        """Seconds that `take` has waited until now."""
        ahead = self._ahead  # another thread may ask while this one closes it
        return self._waited + (ahead.waited if ahead is not None else 0.0)

    def close(self) -> None:
        """End the threads; the next batch is still the one that comes next."""
        if self._ahead is not None:
            self._waited += self._ahead.waited
            self._ahead.close()
            self._ahead = None
