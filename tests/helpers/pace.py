"""How slow this machine is: bounds on time grow by its slowness, against the machine they were written on."""

from __future__ import annotations

import time
from collections.abc import Callable

REFERENCE = 0.036
"""Seconds of CPU that `_work` takes on the machine that the bounds were written on."""


def slowness() -> float:
    """How many times longer than there the same work takes here and now; at least 1."""
    best = min(_seconds() for _ in range(3))
    return max(1.0, best / REFERENCE)


def is_quick(run: Callable[[], object], bound: float) -> bool:
    """Whether one of five runs takes less than `bound` seconds of CPU, times the slowness of the moment.

    A core that is shared with other machines has slow seconds: what is quick is quick in one of five.
    """
    for _ in range(5):
        begun = time.process_time()
        run()
        taken = time.process_time() - begun
        if taken < bound or taken < bound * slowness():
            return True
    return False


def _seconds() -> float:
    begun = time.process_time()
    _work()
    return time.process_time() - begun


def _work() -> None:
    """What expanding does: small objects, dicts, texts."""
    kept = {}
    for i in range(120_000):
        key = f"layer{i % 5000}/conv"
        kept[key] = (key, i, {"name": key, "at": (i, key.partition("/")[0])})
