"""Order: from left to right in every rank, so that few lines cross.

Barycentre sweeps and swaps of neighbours, from several starting orders. Where there are few orders, all are tried. Of
orders with equally few crossings the first is kept, which begins with the order that the nodes were given in.
Source: Sugiyama, Tagawa & Toda 1981; Gansner, Koutsofios, North & Vo 1993 (swaps).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from math import factorial, prod

SWEEPS = 12
PATIENCE = 6
"""Orders in a row that may be no better before a search ends."""
FEW = 3000
"""Orders of all ranks together up to which all are tried."""


@dataclass(frozen=True)
class Segment:
    """A line between nodes in neighbouring ranks: from `source`, leaving at `out`, to `target`, entering at `into`.

    `out` and `into` are distances from the middle of the node; None where the line may enter anywhere, so that lines
    to one node never cross there.
    """

    source: int
    target: int
    out: float = 0.0
    into: float | None = None


Ranks = list[list[int]]

Ends = tuple[list[tuple[float, ...]], list[tuple[float, ...]]]
"""Where the lines of a node end, in the rank above it and in the one below."""


def ordered(ranks: Ranks, segments: Sequence[Segment]) -> Ranks:
    """The nodes of each rank in an order with few crossings."""
    work = _Ordering(ranks, segments)
    if not work.crossings(ranks):
        return [list(rank) for rank in ranks]
    if prod(factorial(len(rank)) for rank in ranks) <= FEW:
        return min((list(map(list, orders)) for orders in product(*map(permutations, ranks))), key=work.crossings)
    return work.best()


def crossings(ranks: Ranks, segments: Sequence[Segment]) -> int:
    """The number of crossings of an order."""
    return _Ordering(ranks, segments).crossings(ranks)


class _Ordering:
    """The work on one level."""

    def __init__(self, ranks: Ranks, segments: Sequence[Segment]) -> None:
        self.start = ranks
        rank_of = {node: number for number, rank in enumerate(ranks) for node in rank}
        self.below: list[list[Segment]] = [[] for _ in ranks]
        """For each rank, the segments that leave it downwards."""
        self.ups: dict[int, list[Segment]] = {node: [] for node in rank_of}
        self.downs: dict[int, list[Segment]] = {node: [] for node in rank_of}
        for segment in segments:
            self.below[rank_of[segment.source]].append(segment)
            self.downs[segment.source].append(segment)
            self.ups[segment.target].append(segment)

    def crossings(self, ranks: Ranks) -> int:
        place = {node: at for rank in ranks for at, node in enumerate(rank)}
        return sum(_crossed(_keys(segments, place)) for segments in self.below)

    def best(self) -> Ranks:
        """The best order that sweeps and swaps find, from the given order and from its mirror image."""
        found, fewest = self.start, self.crossings(self.start)
        for start in (self.start, [rank[::-1] for rank in self.start]):
            idle = 0
            for ranks in self._sweeps([list(rank) for rank in start]):
                crossed = self.crossings(ranks)
                idle += 1
                if crossed < fewest:
                    found, fewest, idle = [list(rank) for rank in ranks], crossed, 0
                if not fewest or idle > PATIENCE:
                    break
        return found

    def _sweeps(self, ranks: Ranks) -> Iterator[Ranks]:
        self._swap(ranks)
        yield ranks
        for sweep in range(SWEEPS):
            down = sweep % 2 == 0
            for number in range(1, len(ranks)) if down else range(len(ranks) - 2, -1, -1):
                self._sort(ranks, number, down)
            yield ranks
            self._swap(ranks)
            yield ranks

    def _sort(self, ranks: Ranks, number: int, down: bool) -> None:
        """Sort a rank by the middle of what each node is connected with in the rank before; others keep their place."""
        other = ranks[number - 1 if down else number + 1]
        place = {node: at for at, node in enumerate(other)}
        middles: dict[int, float] = {}
        for node in ranks[number]:
            if down:
                spots = [place[s.source] + s.out / 1e6 for s in self.ups[node]]
            else:
                spots = [place[s.target] + (s.into or 0.0) / 1e6 for s in self.downs[node]]
            if spots:
                middles[node] = sum(spots) / len(spots)
        moving = iter(sorted(middles, key=middles.__getitem__))
        ranks[number] = [next(moving) if node in middles else node for node in ranks[number]]

    def _swap(self, ranks: Ranks) -> None:
        """Swap neighbours as long as that takes crossings away."""
        waiting = set(range(len(ranks)))
        while waiting:
            later: set[int] = set()
            for number in range(len(ranks)):
                if number in waiting and self._swapped(ranks, number):
                    waiting.add(number + 1)
                    later |= {number - 1, number} - {-1}
            waiting = later

    def _swapped(self, ranks: Ranks, number: int) -> bool:
        """Go once along a rank and swap neighbours where that takes crossings away. Returns whether any were."""
        rank, better = ranks[number], False
        around = [ranks[n] for n in (number - 1, number + 1) if 0 <= n < len(ranks)]
        place = {node: at for other in around for at, node in enumerate(other)}
        ends = [self._ends(node, place) for node in rank]
        for at in range(len(rank) - 1):
            if _gain(ends[at], ends[at + 1]) > 0:
                rank[at], rank[at + 1] = rank[at + 1], rank[at]
                ends[at], ends[at + 1] = ends[at + 1], ends[at]
                better = True
        return better

    def _ends(self, node: int, place: dict[int, int]) -> Ends:
        """The other ends of a node's lines, above and below."""
        return [(place[s.source], s.out) for s in self.ups[node]], [_into(s, place) for s in self.downs[node]]


def _gain(left: Ends, right: Ends) -> int:
    """How many crossings of the lines of two neighbours go away where they change places."""
    return sum((a > b) - (a < b) for ours, theirs in zip(left, right, strict=True) for a in ours for b in theirs)


def _into(segment: Segment, place: dict[int, int]) -> tuple[float, ...]:
    """Where a line ends: its node, and there its port."""
    at = place[segment.target]
    return (at,) if segment.into is None else (at, segment.into)


def _keys(segments: Sequence[Segment], place: dict[int, int]) -> list[tuple[tuple[float, ...], tuple[float, ...]]]:
    return sorted(((place[s.source], s.out), _into(s, place)) for s in segments)


def _crossed(keys: list[tuple[tuple[float, ...], tuple[float, ...]]]) -> int:
    """The number of pairs that change sides. `keys` are sorted by source, then by target."""
    seen: list[tuple[float, ...]] = []
    found = at = 0
    while at < len(keys):
        source = keys[at][0]
        end = at
        while end < len(keys) and keys[end][0] == source:
            found += len(seen) - bisect_right(seen, keys[end][1])
            end += 1
        for _, target in keys[at:end]:
            insort(seen, target)
        at = end
    return found
