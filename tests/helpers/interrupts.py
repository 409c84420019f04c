"""Exceptions at a chosen moment of Python's work: before its n-th operation, or whenever a signal comes."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Moments:
    """Counts the operations of netspec's Python code in this thread, and raises KeyboardInterrupt before some of them.

    An operation of byte code is finer than the moments at which Python hands on a signal.
    """

    def __init__(self, *at: int) -> None:
        self.count, self.at = 0, frozenset(at)

    def __enter__(self) -> Moments:
        sys.settrace(self._trace)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(None)

    def _trace(self, frame: FrameType, event: str, arg: Any) -> Callable[..., Any] | None:
        if "netspec" not in frame.f_code.co_filename or "/tests/" in frame.f_code.co_filename:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self.count += 1
            if self.count in self.at:
                raise KeyboardInterrupt
        return self._trace


@contextmanager
def interrupted_after(seconds: float) -> Iterator[None]:
    """A body that gets a KeyboardInterrupt after a time, like that of a Ctrl-C, unless it ends before."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
