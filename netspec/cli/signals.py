"""The signals that ask a command to stop: of a terminal (Ctrl-C, or its end), and SIGTERM.

A command that has nothing to finish ends where it is: `ending` raises SystemExit, so that files are closed and helpers
ended. A training finishes its batch and writes a snapshot: `Finishing` answers a question that it asks between batches.
In both, a second signal quits at once. A user may want another effect of a signal: a snapshot and no stop, or none.
Signals that are ignored when the process starts (`nohup`, jobs in the background of a script) stay ignored, unless the
user names an effect. An exit code is 128 plus the signal's number, as a shell has it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import socket

_NAMES = ("SIGHUP", "SIGINT", "SIGTERM", "SIGBREAK")
"""No system has them all: SIGHUP is POSIX's, SIGBREAK that of Windows."""
STOPS: tuple[signal.Signals, ...] = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
TWICE = 0.1
"""Seconds. Signals that follow the first so closely belong to it: launchers and terminals that close send two."""

Handle = Callable[[int, Any], None]


class Effect(StrEnum):
    """What a signal does to a training: end it with a snapshot, write one while it goes on, or nothing.

    Source: Caffe tools/caffe.cpp, `--sigint_effect`.
    """

    stop = "stop"
    snapshot = "snapshot"
    none = "none"


def exit_code(number: int) -> int:
    """The exit code of a process that a signal stopped."""
    return 128 + number


def quit_at_once() -> None:
    """From now on a signal to stop quits without a word: for the time before a command begins and after its end."""
    _handle(lambda number, _: os._exit(exit_code(number)))


@contextmanager
def ending() -> Iterator[None]:
    """While the body runs, a signal to stop ends it with SystemExit.

    What else the body raises after a signal is a consequence: an import that is cut short may raise ImportError.
    """
    first = _First()

    def handle(number: int, _: Any) -> None:
        if first.take(number):
            sys.exit(exit_code(number))

    def lost(error: Any) -> None:
        if first.number and isinstance(error.exc_value, SystemExit):  # it was raised where nothing can be raised
            os._exit(exit_code(first.number))
        unraisable(error)

    unraisable, sys.unraisablehook = sys.unraisablehook, lost
    before = _handle(handle)
    try:
        yield
    except BaseException:
        if not first.number:
            raise
    finally:
        first.outlast()
        _restore(before)
        sys.unraisablehook = unraisable
    if first.number:
        sys.exit(exit_code(first.number))


class Finishing:
    """While its `with` block runs, a signal to stop is an answer to the question whether to stop.

    `effects` are those of signals that shall not stop, or that shall be heeded though they are ignored.

    A thread is told of each signal when it comes, also while a kernel runs for minutes: it passes the name and effect
    of the first signal to stop, and of each that asks for a snapshot, to `tell`, and quits at the second to stop.
    """

    def __init__(
        self, tell: Callable[[str, Effect], None], effects: Mapping[int, Effect] = MappingProxyType({})
    ) -> None:
        self._tell, self._effects = tell, effects
        self._asked = self._told = 0
        self._first = _First()
        self._before: dict[signal.Signals, Any] | None = None

    def __call__(self) -> str | None:
        """The name of the signal that asked to stop, if one did."""
        return signal.Signals(self._first.number).name if self._first.number else None

    def snapshot(self) -> bool:
        """Whether a signal has asked for a snapshot since this was last asked."""
        before, self._told = self._told, self._asked  # a signal that comes between two instructions is not lost
        return self._told != before

    @property
    def exit_code(self) -> int:
        """The exit code of a training that a signal stopped."""
        return exit_code(self._first.number)

    def __enter__(self) -> Self:
        import socket

        self._ours, self._theirs = socket.socketpair()
        self._theirs.setblocking(False)
        self._before = _handle(self._handle, self._effects)
        self._wakeup = signal.set_wakeup_fd(self._theirs.fileno(), warn_on_full_buffer=False)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._leave)
        heard = (self._ours, {number: self._effect(number) for number in self._before})
        self._listener = threading.Thread(target=self._listen, args=heard, name="netspec signals", daemon=True)
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._first.outlast()
        self._leave()
        self._theirs.close()
        self._listener.join(1.0)
        self._ours.close()

    def _effect(self, number: int) -> Effect:
        return self._effects.get(number, Effect.stop)

    def _handle(self, number: int, _: Any) -> None:
        match self._effect(number):
            case Effect.stop:
                self._first.note(number)
            case Effect.snapshot:
                self._asked += 1

    def _leave(self) -> None:
        """Handle signals as before; in a forked child too, whose signals are no business of its parent."""
        if self._before is not None:
            signal.set_wakeup_fd(self._wakeup)
            _restore(self._before)
            self._before = None

    def _listen(self, ours: socket.socket, heeded: Mapping[int, Effect]) -> None:
        first = _First()
        while byte := ours.recv(1):
            number = byte[0]
            effect = heeded.get(number, Effect.none)
            if effect is Effect.snapshot or (effect is Effect.stop and first.take(number)):
                # in a thread of its own, since standard error may block
                threading.Thread(target=self._say, args=(number, effect), daemon=True).start()

    def _say(self, number: int, effect: Effect) -> None:
        with contextlib.suppress(OSError, ValueError):  # standard error may be closed or full
            self._tell(signal.Signals(number).name, effect)


class _First:
    """The first signal to stop, and when it came."""

    def __init__(self) -> None:
        self.number = 0
        self._came = 0.0

    def note(self, number: int) -> None:
        """Note a signal, if it is the first."""
        if not self.number:
            self.number, self._came = number, time.monotonic()

    def take(self, number: int) -> bool:
        """Whether a signal is the first; a second quits at once, unless it belongs to the first."""
        if self.number and time.monotonic() - self._came > TWICE:
            os._exit(exit_code(number))
        known = bool(self.number)
        self.note(number)
        return not known

    def outlast(self) -> None:
        """Wait until no other signal can belong to the first, so that none meets a process that is ending."""
        if self.number:
            time.sleep(max(0.0, self._came + TWICE - time.monotonic()))


def _handle(handle: Handle, named: Collection[int] = ()) -> dict[signal.Signals, Any]:
    """Handle the signals to stop that are `named`, or not ignored; returns how they were handled before."""
    heeded = [n for n in STOPS if n in named or signal.getsignal(n) not in (signal.SIG_IGN, None)]
    return {number: signal.signal(number, handle) for number in heeded}


def _restore(before: dict[signal.Signals, Any]) -> None:
    for number, handle in before.items():
        signal.signal(number, handle)
