"""Threads: started so that an interrupt meanwhile stays the interrupt that it is."""

from __future__ import annotations

import sys
from threading import Thread


def start(thread: Thread) -> None:
    """Start a thread. Raises RuntimeError where the machine starts no more.

    Python waits until the thread runs; an interrupt in that wait may come out as a RuntimeError ("release unlocked
    lock"). The interrupt is raised in its place.
    """
    before = sys.exception()
    try:
        thread.start()
    except RuntimeError as error:
        cause = error.__context__
        if cause is None or cause is before or isinstance(cause, Exception):
            raise
        raise cause from None
