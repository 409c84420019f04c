"""The crew: every part is computed once, by whoever; what was written before a step is seen in it; threads end."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from netspec.codegen import crew, driver
from netspec.codegen.environment import SettingError
from netspec.codegen.kernel import JitKernel, kernel, span
from netspec.codegen.kinds import Clock, Vector


@kernel
def count(seen: Clock, part: int, parts: int) -> None:
    """Count each part, one word a part."""
    seen[part] += 1


@kernel
def smooth(x: Vector, y: Vector, part: int, parts: int) -> None:
    """Each value from two that other parts have written."""
    first, end = span(len(x), part, parts)
    for i in range(first, end):
        y[i] = 0.5 * x[i] + 0.25 * x[len(x) - 1 - i] + 1


class Steps:
    """A table of steps (kernel, arrays, parts)."""

    def __init__(self, *steps: tuple[JitKernel, tuple[Any, ...], int]) -> None:
        described = [one.describe(args, parts, "float64") for one, args, parts in steps]
        self._alive = [(np.array(words, np.int64), arrays) for words, arrays in described]
        rows = [
            (one.address("float64"), words.ctypes.data, parts)
            for (one, _, parts), (words, _) in zip(steps, self._alive, strict=True)
        ]
        self._rows = np.array(rows, np.int64)

    def run(self, own: crew.Crew, seats: int) -> None:
        driver._compiled()(self._rows, 0, len(self._rows), own.room.address, seats)


@pytest.fixture
def seven() -> Iterator[crew.Crew]:
    """A crew of its own: six helpers, more than there are cores on small machines."""
    one = crew.Crew(driver._crew()._serve, 6)
    one.want(6)
    yield one
    one._end()
    assert not any(thread.is_alive() for thread in one._threads)


def rounds(x: Any, y: Any, steps: int) -> Any:
    """What `steps` steps of smooth, to and fro, leave in x."""
    for _ in range(steps):
        y[...] = 0.5 * x + 0.25 * x[::-1] + 1
        x, y = y, x
    return x


@pytest.mark.parametrize("seats", [0, 1, 2, 6])
@pytest.mark.parametrize("parts", [1, 2, 7, 64])
def test_a_step_sees_all_of_the_step_before(seven: crew.Crew, seats: int, parts: int) -> None:
    """Each value comes from values of two parts, over many steps and runs: one that is missed spreads."""
    random = np.random.default_rng(parts)
    x, y = random.normal(size=1003), np.zeros(1003)
    right = rounds(x.copy(), y.copy(), 2 * 100 * 20)
    table = Steps(*[(smooth, (x, y), parts), (smooth, (y, x), parts)] * 100)
    for _ in range(20):
        table.run(seven, seats)
    np.testing.assert_array_equal(x, right)


@pytest.mark.parametrize("parts", [1, 2, crew.MOST_CHUNKS - 1, crew.MOST_CHUNKS, crew.MOST_CHUNKS + 1, 10_007, 70_001])
def test_every_part_is_computed_once(seven: crew.Crew, parts: int) -> None:
    """Also where a step has more parts than the word that they are taken from can count."""
    seen = np.zeros(parts, np.int64)
    table = Steps((count, (seen,), parts), (count, (seen,), parts))
    for _ in range(3):
        table.run(seven, 6)
    assert (seen == 6).all()


def test_helpers_that_sleep_are_woken_and_take_parts(seven: crew.Crew) -> None:
    """Nobody is owed help, so this is tried until it was seen once."""
    seen, runs, done = np.zeros(64, np.int64), 0, 0
    table = Steps(*[(count, (seen,), 64)] * 500)
    while done == 0 and runs < 2000:
        time.sleep(0.001)  # they sleep by now
        table.run(seven, 6)
        runs, done = runs + 1, int(seven.room._words[crew.DONE // 8])
    assert done > 0
    assert (seen == 500 * runs).all()


def test_callers_at_the_same_time(seven: crew.Crew) -> None:
    """One has the crew, the others work alone, by turns as it happens."""
    wrong: list[int] = []

    def work(length: int) -> None:
        x, y = np.arange(length, dtype=np.float64), np.zeros(length)
        table = Steps(*[(smooth, (x, y), 16), (smooth, (y, x), 16)] * 50)
        for _ in range(40):
            table.run(seven, 6)
        if not np.array_equal(x, rounds(np.arange(length, dtype=np.float64), np.zeros(length), 2 * 50 * 40)):
            wrong.append(length)

    threads = [threading.Thread(target=work, args=(length,)) for length in (301, 502, 703, 904)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_caller_needs_no_helper() -> None:
    """Seats without helpers in them, as after an interrupt while one was started."""
    empty = crew.Crew(driver._crew()._serve, 3)
    seen = np.zeros(50, np.int64)
    Steps((count, (seen,), 50), (count, (seen,), 1), (count, (seen,), 50)).run(empty, 3)
    assert seen.tolist() == [3] + [2] * 49


def test_waiting_is_measured() -> None:
    """In turns, from times: a serve that takes 2 ms for 1000 turns has 25 in 50 us."""
    own = crew.Room(1)

    def serve(room: int, index: int) -> None:
        assert (room, index) == (own.address, 0)
        time.sleep(0.002)

    own.measure(serve)
    assert 1 <= own._words[crew.TURNS // 8] <= 25
    assert own._words[crew.ENDED // 8] == 0


def test_threads_that_do_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    one = crew.Crew(driver._crew()._serve, 2)

    def start(self: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("threading.Thread.start", start)
    with pytest.raises(SettingError, match="does not start 3 threads: can't start new thread"):
        one.want(2)
    assert one._threads == []


PROGRAM = """
import sys, threading
import numpy as np
import netspec
from tests.helpers.forks import SPEC, X
net = netspec.Net(SPEC, threads=2)
net.forward(data=X)
if "thread" in sys.argv:
    def forever():
        while True:
            net.forward(data=X)
    threading.Thread(target=forever, daemon=True).start()
"""


@pytest.mark.parametrize("words", [(), ("thread",)])
def test_the_interpreter_ends(words: tuple[str, ...]) -> None:
    """With helpers that sleep, and while a thread that nobody waits for runs a net."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env=os.environ | {"NUMBA_NUM_THREADS": "2"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert (done.returncode, done.stderr) == (0, "")
