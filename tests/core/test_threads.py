"""Starting a thread: an interrupt stays one, and a machine without room for threads is said to be so."""

from __future__ import annotations

from threading import Event, Thread

import pytest

from netspec.core.threads import start


class Interrupted(Thread):
    """A thread whose start is interrupted in Python's own wait, which then fails to release its lock."""

    def start(self) -> None:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("release unlocked lock")


class Refused(Thread):
    """A thread that the machine does not start."""

    def start(self) -> None:
        raise RuntimeError("can't start new thread")


def test_a_thread_is_started() -> None:
    begun = Event()
    thread = Thread(target=begun.set)
    start(thread)
    thread.join()
    assert begun.is_set()


def test_an_interrupt_stays_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt):
        start(Interrupted())


def test_a_refusal_stays_one_also_while_an_interrupt_is_handled() -> None:
    with pytest.raises(RuntimeError, match="can't start"):
        start(Refused())
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        with pytest.raises(RuntimeError, match="can't start"):
            start(Refused())
