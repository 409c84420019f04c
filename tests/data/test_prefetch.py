"""The position of a Prefetcher: which batch comes next, or that nobody knows."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import numpy as np
import pytest

from netspec.core.errors import DataError
from netspec.data.prefetch import Prefetcher
from tests.helpers.forks import in_child


class Counting:
    """A feed whose batches hold their positions, and which fails at some."""

    readers = 1

    def __init__(self, *bad: int) -> None:
        self.bad = bad

    def buffers(self, size: int) -> tuple[np.ndarray, ...]:
        return (np.zeros((size, 2)),)

    def fill(self, position: int, into: tuple[np.ndarray, ...]) -> None:
        if position in self.bad:
            raise DataError("gone")
        into[0][...] = position


def prefetcher(*bad: int, **words: Any) -> Prefetcher:
    return Prefetcher(Counting(*bad), 6, 3, **words)  # type: ignore[arg-type]


def test_the_position_is_that_of_the_next_batch() -> None:
    into = (np.zeros((3, 2)),)
    with prefetcher(step=4) as one:
        for wanted in (6, 10, 14):
            assert one.position == wanted
            one.take(into)
            assert (into[0] == wanted).all()


def test_nobody_knows_the_position_after_a_take_that_failed() -> None:
    into = (np.zeros((3, 2)),)
    with prefetcher(9) as one:
        one.take(into)
        with pytest.raises(DataError, match="gone"):
            one.take(into)
        assert one.position is None
    with prefetcher() as one:
        with pytest.raises(ValueError, match="a batch of"):
            one.take((np.zeros((2, 2)),))
        assert one.position is None
        one.take(into)
        assert one.position is None


class Uneven(Counting):
    """A feed whose batches take different times: the sooner, the later they come, within each three."""

    def __init__(self, *bad: int, readers: int) -> None:
        super().__init__(*bad)
        self.readers, self.inside, self.most = readers, 0, 0
        self.lock = threading.Lock()
        self.all_inside = threading.Barrier(readers)

    def fill(self, position: int, into: tuple[np.ndarray, ...]) -> None:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        if position < 3 * self.readers:  # the first batches wait for one another, and the first ends last
            self.all_inside.wait(10)
            if not position:
                time.sleep(0.02)
        super().fill(position, into)
        with self.lock:
            self.inside -= 1


@pytest.mark.parametrize("readers", [2, 3, 5])
def test_batches_of_several_threads_come_in_their_order(readers: int) -> None:
    feed, into = Uneven(readers=readers), (np.zeros((3, 2)),)
    before = threading.active_count()
    with Prefetcher(feed, 0, 3, stop=60) as one:  # type: ignore[arg-type]
        for wanted in range(0, 60, 3):
            one.take(into)
            assert (into[0] == wanted).all()
        with pytest.raises(IndexError):
            one.take(into)
    assert feed.most == readers
    assert threading.active_count() == before


@pytest.mark.parametrize("readers", [2, 4])
def test_an_error_of_several_threads_comes_at_its_batch(readers: int) -> None:
    into = (np.zeros((3, 2)),)
    for bad in range(0, 3 * 7, 3):
        feed = Uneven(bad, readers=readers)
        feed.all_inside = threading.Barrier(1)
        with Prefetcher(feed, 0, 3) as one:  # type: ignore[arg-type]
            for wanted in range(0, bad, 3):
                one.take(into)
                assert (into[0] == wanted).all()
            for _ in range(2):
                with pytest.raises(DataError, match="gone"):
                    one.take(into)


def test_threads_end_with_their_prefetcher() -> None:
    before = threading.active_count()
    one = Prefetcher(Uneven(readers=4), 0, 3)  # type: ignore[arg-type]
    one.take((np.zeros((3, 2)),))
    threads = one._threads
    del one
    for thread in threads:
        thread.join(10)
    assert threading.active_count() == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
def test_a_forked_process_does_not_have_the_thread() -> None:
    with prefetcher() as one:
        assert in_child(lambda: one.position is None and one.close() is None) == 0
        assert one.position == 6
