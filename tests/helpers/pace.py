"""How slow this machine is: bounds on time grow by its slowness, against the machine they were written on."""

from __future__ import annotations

import time

REFERENCE = 0.036
"""Seconds of CPU that `_work` takes on the machine that the bounds were written on."""


def slowness() -> float:
    """How many times longer than there the same work takes here and now; at least 1."""
    best = min(_seconds() for _ in range(3))
    return max(1.0, best / REFERENCE)


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
