"""Ranks: which row each node of a level stands in, so that every line runs downwards."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from netspec.drawing.acyclic import in_order

Pair = tuple[int, int]


def ranks(
    number: int,
    pairs: Sequence[Pair],
    first: Collection[int] = (),
    last: Collection[int] = (),
    lower: Mapping[int, int] = MappingProxyType({}),
) -> list[int]:
    """The rank of each node, by the longest way from a source; `pairs` are (source, target) without a circle.

    Nodes in `first` are above, those in `last` below all others; nodes in `lower` stand so many ranks lower than they
    would. A node that reads nothing stands right above the highest that reads it.
    """
    before: list[list[int]] = [[] for _ in range(number)]
    after: dict[int, list[int]] = {node: [] for node in range(number)}
    for source, target in pairs:
        before[target].append(source)
        after[source].append(target)
    found = [0] * number
    lowest = 1 if first else 0
    order = in_order(after)
    assert len(order) == number, "the lines of a level form a circle"
    for node in order:
        if node not in first:
            found[node] = max((found[source] + 1 for source in before[node]), default=lowest) + lower.get(node, 0)
    for node in range(number):
        if not before[node] and node not in first and after[node]:
            found[node] = min(found[target] for target in after[node]) - 1
    bottom = 1 + max((rank for node, rank in enumerate(found) if node not in last), default=-1)
    for node in last:
        found[node] = bottom
    return found
