"""Memory layouts of a blob."""

from __future__ import annotations


def memory_order(rank: int, layout: str) -> tuple[int, ...]:
    """The axes of a blob as they lie in memory, the innermost last."""
    return (0, 2, 3, 1) if layout == "NHWC" and rank == 4 else tuple(range(rank))
