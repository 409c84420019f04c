"""Solvers and nets that nobody holds give back their memory and threads, without `close` and without a collector."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest

import netspec
from netspec.core.errors import NetspecError
from netspec.data.feed import Feed
from netspec.data.prefetch import Prefetcher

Make = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def uncollected() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def feeding() -> int:
    return sum(thread.name == "netspec feed" for thread in threading.enumerate())


def settle(number: int = 0) -> int:
    """The feeding threads, once there are no more than `number`, or after a long wait."""
    deadline = time.monotonic() + 20
    while feeding() > number and time.monotonic() < deadline:
        time.sleep(0.001)
    return feeding()


def held(one: netspec.Solver) -> list[weakref.ref[Any]]:
    session = one._session
    things = (one, one.net, session, session.train, session.train.table, session.testers["test"], session._cursor)
    return [weakref.ref(thing) for thing in things if thing is not None]


@pytest.mark.parametrize("close", [False, True])
def test_a_solver_that_is_dropped(solver: Make, close: bool) -> None:
    one = netspec.Solver(solver())
    one.step(2)
    one.test()
    refs, arena = held(one), weakref.ref(one.net.program.arena.base)
    assert feeding() == 1 and len(refs) == 7
    if close:
        one.close()
    del one
    assert [ref() for ref in refs] == [None] * 7 and arena() is None
    assert settle() == 0


def test_what_is_kept_of_a_solver_keeps_no_thread(solver: Make) -> None:
    one = netspec.Solver(solver())
    one.step()
    net, data = one.net, one.net.params["ip"][0].data
    before = data.copy()
    del one
    assert settle() == 0
    net.forward()
    np.testing.assert_array_equal(data, before)


def test_a_solver_whose_events_are_dropped_half_way(solver: Make) -> None:
    one = netspec.Solver(solver(display=1))
    events = one.events()
    next(events), next(events)
    del one, events
    assert settle() == 0


def test_a_solver_that_fails(solver: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NetspecError, match="there is no snapshot"):
        netspec.Solver(solver(weights="gone.safetensors"))
    one = netspec.Solver(solver())
    one.net.params["ip"][0].data[...] = np.nan
    refs = held(one)
    try:
        one.step()
    except NetspecError as error:
        assert "not finite" in str(error)
    del one
    assert [ref() for ref in refs] == [None] * len(refs) and settle() == 0


def test_an_interrupted_solver(solver: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    one = netspec.Solver(solver())
    one.step()
    take = Prefetcher.take

    def interrupted(self: Prefetcher, *arguments: Any) -> None:
        take(self, *arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Prefetcher, "take", interrupted)
        with suppress(KeyboardInterrupt):
            one.step()
    ref = weakref.ref(one)
    del one
    assert ref() is None and settle() == 0


def test_a_solver_in_a_circle(solver: Make) -> None:
    one = netspec.Solver(solver())
    one.step()
    one.mine = one  # type: ignore[attr-defined]
    ref = weakref.ref(one)
    del one
    gc.collect()
    assert ref() is None and settle() == 0


def test_nets_that_are_dropped(solver: Make) -> None:
    one = netspec.Net(solver()["net"], phase="TRAIN", threads=2)
    one.forward()
    refs = [weakref.ref(thing) for thing in (one, one.program, one.program.table, one.program.arena.base)]
    blob = one.blobs["conv"]
    del one
    assert [ref() is None for ref in refs] == [True, True, True, False]  # the blob is in the net's memory
    del blob
    assert refs[-1]() is None


def test_a_prefetcher_that_is_dropped_in_the_middle(solver: Make) -> None:
    """Its thread ends after the batch that it is at."""
    filling, go = threading.Event(), threading.Event()
    feed = Feed.__new__(Feed)
    feed.buffers = lambda size: (np.zeros((size, 2)),)  # type: ignore[method-assign]
    feed.fill = lambda position, into: filling.set() or go.wait()  # type: ignore
    one = Prefetcher(feed, 0, 3, readers=1)
    filling.wait()
    ref = weakref.ref(one)
    del one
    assert ref() is None and feeding() == 1
    go.set()
    assert settle() == 0
