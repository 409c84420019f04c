"""Budgets: the time and the memory that a training may use; it ends with a snapshot where either is used up."""

from __future__ import annotations

import time
from collections.abc import Callable

from netspec.training.spec import SolverSpec

EXIT = 8
"""The exit code of a training that a budget stopped."""

NAMES = ("max_time", "max_rss")
"""The fields of a solver that are budgets: what an event Finished says has stopped the training."""

PERIOD = 0.2
"""Seconds between two looks at the memory, which cost a call of the system each."""


class Budgets:
    """The budgets of a solver, asked between batches whether one is used up.

    `elapsed` gives the seconds of training so far, those before a resume included.
    """

    def __init__(self, spec: SolverSpec, elapsed: Callable[[], float]) -> None:
        self._seconds, self._bytes, self._elapsed = spec.max_time, spec.max_rss, elapsed
        self._looked = -PERIOD

    def used_up(self) -> str | None:
        """The name of the budget that is used up, if one is."""
        if self._seconds is not None and self._elapsed() >= self._seconds:
            return "max_time"
        if self._bytes is not None and time.perf_counter() - self._looked >= PERIOD:
            import psutil

            self._looked = time.perf_counter()
            if psutil.Process().memory_info().rss >= self._bytes:
                return "max_rss"
        return None
