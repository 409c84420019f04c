"""The crew: threads that take parts of a step off the thread that runs a table.

Nobody ever waits for a thread, only for parts that one has begun. The caller puts a step up, takes parts from the first
on, and finishes alone if no helper is there: a helper that sleeps, or that another program keeps from its core, has
begun nothing. Helpers take parts from the last on, so that the halves of most arrays stay with their core. Which thread
computes a part never changes a bit.

What they share are words in one array, the room. FRONT holds (number of the step, first and one past the last chunk
that nobody took); a chunk, one part of all but huge steps, is taken by replacing it. The caller writes the other words
of a step while FRONT has nothing to take, and step numbers do not come again: who replaces FRONT as it was before those
words were read has read this step's. So a helper that stopped anywhere for any time does no harm.

A helper with nothing to take waits a while in a loop, as does the caller for a part that a helper computes. Then they
sleep, each on a lock of its own; FLAG before the lock says so, and who sets it back must release the lock.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
from collections.abc import Callable

import numpy as np

from netspec.codegen.atomics import acquire, add, call, pause, release, replace, seen, show, swap
from netspec.codegen.environment import SettingError
from netspec.codegen.kernel import helper
from netspec.core.threads import start

PATIENCE = 50e-6
"""Seconds that a thread waits in a loop before it sleeps. Waking one takes about as long."""
MOST_CHUNKS = 2**12 - 1

_LINE = 128
"""Bytes between words of different writers: CPUs fetch pairs of cache lines."""
FRONT, FUNCTION, DESCRIPTOR, PARTS, SIZE, SEATS = range(0, 48, 8)
FLOOR, TURNS, ENDED = range(_LINE, _LINE + 24, 8)
"""Whether a caller has the crew; turns of waiting in PATIENCE; whether the crew goes home."""
DONE = 2 * _LINE
"""Chunks that helpers have finished."""
_CALLER = 3 * _LINE
"""The caller's flag, and its lock."""
_HELPERS = 4 * _LINE
"""The first helper's flag and lock; the next one's are a line further."""
_LOCK = 8
"""From a flag to its lock."""


@helper
def _first(front: int) -> int:
    return front >> 12 & MOST_CHUNKS


@helper
def _end(front: int) -> int:
    return front & MOST_CHUNKS


@helper
def _compute(function: int, descriptor: int, parts: int, size: int, chunk: int) -> None:
    for part in range(chunk * size, min((chunk + 1) * size, parts)):
        call(function, descriptor, part)


@helper
def _wake(flag: int) -> None:
    """Wake the thread of a flag, if it sleeps."""
    if seen(flag) and swap(flag, 0):
        release(seen(flag + _LOCK))


@helper
def take_floor(room: int) -> bool:
    """Take the crew for a run; whether it was free. Two callers do not share it: one of them works alone."""
    return bool(swap(room + FLOOR, 1) == 0)


@helper
def leave_floor(room: int) -> None:
    """Give the floor back."""
    show(room + FLOOR, 0)


@helper
def together(function: int, descriptor: int, parts: int, room: int, seats: int) -> None:
    """Compute all parts of a step, with the help of as many helpers as there are seats. The caller has the floor."""
    size = (parts + MOST_CHUNKS - 1) // MOST_CHUNKS
    chunks = (parts + size - 1) // size
    number = (seen(room + FRONT) >> 24) + 1
    show(room + FUNCTION, function)
    show(room + DESCRIPTOR, descriptor)
    show(room + PARTS, parts)
    show(room + SIZE, size)
    show(room + SEATS, seats)
    show(room + DONE, 0)
    show(room + FRONT, number << 24 | chunks)
    for index in range(min(seats, chunks - 1)):
        _wake(room + _HELPERS + index * _LINE)
    theirs = chunks
    front = seen(room + FRONT)
    while _first(front) < _end(front):
        if replace(room + FRONT, front, front + (1 << 12)):
            _compute(function, descriptor, parts, size, _first(front))
            theirs -= 1
        front = seen(room + FRONT)
    _wait_for(theirs, room)


@helper
def _wait_for(chunks: int, room: int) -> None:
    """Wait until helpers have finished so many chunks."""
    flag, turns = room + _CALLER, seen(room + TURNS)
    while seen(room + DONE) < chunks:
        if turns > 0:
            pause()
            turns -= 1
        else:
            show(flag, 1)
            if seen(room + DONE) < chunks or not swap(flag, 0):
                acquire(seen(flag + _LOCK))


@helper
def _work(room: int, index: int) -> bool:
    """Compute one chunk of the step that is up, if there is one for this helper; whether there was."""
    front = seen(room + FRONT)
    if _first(front) >= _end(front) or index >= seen(room + SEATS):
        return False
    function, descriptor = seen(room + FUNCTION), seen(room + DESCRIPTOR)
    parts, size = seen(room + PARTS), seen(room + SIZE)
    last = index % 2 == 0  # of three and more threads, some begin where the caller does
    if replace(room + FRONT, front, front - 1 if last else front + (1 << 12)):
        _compute(function, descriptor, parts, size, _end(front) - 1 if last else _first(front))
        add(room + DONE, 1)
        _wake(room + _CALLER)
    return True


def serve(room: int, index: int) -> None:
    """Help callers, from now until the crew goes home. What a helper runs, as machine code."""
    flag, most = room + _HELPERS + index * _LINE, seen(room + TURNS)
    turns = most
    while True:
        if _work(room, index):
            turns = most
        elif turns > 0:
            pause()
            turns -= 1
        elif seen(room + ENDED):
            return
        else:
            show(flag, 1)
            if not (_work(room, index) or seen(room + ENDED)) or not swap(flag, 0):
                acquire(seen(flag + _LOCK))
            turns = most


Serve = Callable[[int, int], None]


def _lock() -> int:
    """A new lock, taken."""
    allocate = ctypes.pythonapi.PyThread_allocate_lock
    allocate.restype = ctypes.c_void_p
    lock = int(allocate())
    ctypes.pythonapi.PyThread_acquire_lock(ctypes.c_void_p(lock), 1)
    return lock


class Room:
    """The words that a caller shares with helpers, of whom there are at most so many."""

    def __init__(self, most: int) -> None:
        words = np.zeros((_HELPERS + (most + 1) * _LINE) // 8, np.int64)
        first = -words.ctypes.data % _LINE // 8
        self._words = words[first:]
        self.address = self._words.ctypes.data
        self._set(_CALLER + _LOCK, _lock())
        for index in range(most):
            self._set(self._flag(index) + _LOCK, _lock())

    @staticmethod
    def _flag(index: int) -> int:
        return _HELPERS + index * _LINE

    def _set(self, place: int, value: int) -> None:
        self._words[place // 8] = value

    def measure(self, serve: Serve, turns: int = 1000, tries: int = 5) -> None:
        """Find out how many turns of waiting PATIENCE are: a `pause` takes 3 to 140 cycles, by CPU."""
        self._set(ENDED, 1)
        self._set(TURNS, turns)
        times = []
        for _ in range(tries):
            begun = time.perf_counter()
            serve(self.address, 0)
            times.append(time.perf_counter() - begun)
        self._set(TURNS, max(1, round(turns * PATIENCE / max(min(times), 1e-9))))
        self._set(ENDED, 0)

    def end(self, helpers: int) -> None:
        """Let so many helpers return."""
        self._set(ENDED, 1)
        for index in range(helpers):  # who is awake takes the lock when it wants to sleep, and looks again
            ctypes.pythonapi.PyThread_release_lock(ctypes.c_void_p(int(self._words[(self._flag(index) + _LOCK) // 8])))


class Crew:
    """The helpers of a process: at most so many, started when they are first needed. They run `serve`."""

    def __init__(self, serve: Serve, most: int) -> None:
        self._serve, self._threads, self._process = serve, list[threading.Thread](), os.getpid()
        self.room = Room(most)
        self.room.measure(serve)
        atexit.register(self._end)

    def want(self, helpers: int) -> None:
        """Start helpers until there are so many. Raises SettingError."""
        while len(self._threads) < helpers:
            words = (self.room.address, len(self._threads))
            self._threads.append(threading.Thread(target=self._serve, args=words, daemon=True, name="netspec"))
            try:
                start(self._threads[-1])  # an interrupt in here leaves a seat empty, which nobody misses
            except RuntimeError as error:
                self._threads.pop()
                raise SettingError(
                    f"the machine does not start {helpers + 1} threads: {error}",
                    help="ask for fewer with NUMBA_NUM_THREADS",
                ) from None

    def _end(self) -> None:
        """Before the interpreter takes memory and code away that helpers use. A forked process has no helpers."""
        if os.getpid() == self._process:
            self.room.end(len(self._threads))
            for thread in self._threads:
                if thread.ident is not None:
                    thread.join()
