"""How many cores this process may use, and how many threads decode files on them."""

from __future__ import annotations

import os

_MOST_DECODERS = 8


def cores() -> int:
    """Cores that the system lets this process run on, at least 1."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def decoders() -> int:
    """Threads that decode files at the same time: one a core, and at most 8."""
    return min(cores(), _MOST_DECODERS)
