"""Acyclic: nodes in an order in which every line runs forwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def in_order(after: Mapping[int, Iterable[int]]) -> list[int]:
    """The nodes, each behind all that lead to it; those in a circle, and those behind one, are left out.

    `after` has the nodes that a line leads to from each node; several lines may lead to one.
    """
    waiting = dict.fromkeys(after, 0)
    for targets in after.values():
        for target in targets:
            waiting[target] += 1
    ready = [node for node, count in waiting.items() if not count]
    for node in ready:
        for target in after[node]:
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    return ready
