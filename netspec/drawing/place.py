"""Place: the x of every node, so that lines are straight where they can be and nodes stand amid what they read.

Nodes of neighbouring ranks are aligned to columns, in four ways: from above and below, from left and right. Each way
is packed tightly, and a node stands at the mean of the middle two of its four places. Long lines are columns in all
four, and so are straight. Source: Brandes & Köpf 2001, with columns packed as longest ways, and with ports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from math import inf

from netspec.drawing.acyclic import in_order
from netspec.drawing.order import Ranks, Segment


@dataclass(frozen=True)
class Sizes:
    """Widths of the nodes, and the space between neighbours.

    `bends` are the nodes that are only bends of a line. `light` are they and others that make way: no box moves to
    stand straight above or below one.
    """

    widths: Sequence[float]
    gaps: Sequence[float]
    bends: frozenset[int]
    light: frozenset[int]

    def apart(self, left: int, right: int) -> float:
        """The least distance of the middles of two neighbours."""
        return (self.widths[left] + self.widths[right]) / 2 + max(self.gaps[left], self.gaps[right])


def placed(ranks: Ranks, segments: Sequence[Segment], sizes: Sizes) -> dict[int, float]:
    """The x of the middle of every node; the leftmost side is at 0."""
    ways: list[dict[int, float]] = []
    for up in (False, True):
        for mirrored in (False, True):
            found = _way(ranks, segments, sizes, up, mirrored)
            ways.append({node: -x for node, x in found.items()} if mirrored else found)
    halves = {node: sizes.widths[node] / 2 for rank in ranks for node in rank}
    sides = [(min(x - halves[n] for n, x in way.items()), max(x + halves[n] for n, x in way.items())) for way in ways]
    best = min(range(4), key=lambda way: sides[way][1] - sides[way][0])
    for number, way in enumerate(ways):
        shift = sides[best][number % 2] - sides[number][number % 2]  # the mirrored are packed to the right
        for node in way:
            way[node] += shift
    xs = {node: sum(sorted(way[node] for way in ways)[1:3]) / 2 for node in halves}
    left = min(x - halves[node] for node, x in xs.items())
    return {node: x - left for node, x in xs.items()}


def _way(ranks: Ranks, segments: Sequence[Segment], sizes: Sizes, up: bool, mirrored: bool) -> dict[int, float]:
    """One of the four ways: aligned with the rank below instead of above, from the right instead of the left."""
    sign = -1 if mirrored else 1
    rows = [list(reversed(rank)) if mirrored else list(rank) for rank in (reversed(ranks) if up else ranks)]
    place = {node: at for row in rows for at, node in enumerate(row)}
    links: dict[int, list[tuple[int, float]]] = {node: [] for node in place}
    """For each node, those of the row before that it is connected with, and how far right of them it should be."""
    claims: dict[int, set[int]] = {}
    """For each node, those of the next row of which one is to be aligned with it, if any is."""
    for s in segments:
        source, target, shift = s.source, s.target, sign * (s.out - (s.into or 0.0))
        if up:
            source, target, shift = target, source, -shift
        links[target].append((source, shift))
        claims.setdefault(source, set()).add(target)
    claims = {node: _claims(node, targets, sizes) for node, targets in claims.items()}
    root = {node: node for node in place}
    shifts = dict.fromkeys(place, 0.0)
    taken: set[int] = set()
    for row in rows[1:]:
        last = -1
        for node, (low, high) in zip(row, _free(row, links, place, sizes.bends), strict=True):
            for other, shift in _middle([link for link in links[node] if node in claims[link[0]]], place, sizes):
                if other in taken or place[other] <= last or not low <= place[other] <= high:
                    continue
                root[node], shifts[node] = root[other], shifts[other] + shift
                taken.add(other)
                last = place[other]
                break
    return _packed(rows, root, shifts, sizes)


def _claims(node: int, targets: set[int], sizes: Sizes) -> set[int]:
    """Those of a node's connections that may be aligned with it: on a long line its next bend, else boxes first."""
    if node in sizes.bends and targets & sizes.bends:
        return targets & sizes.bends
    return targets - sizes.light or targets


def _middle(links: list[tuple[int, float]], place: dict[int, int], sizes: Sizes) -> list[tuple[int, float]]:
    """The connections that a node may be aligned with, the better first: those in the middle, boxes before others."""
    solid = [link for link in links if link[0] not in sizes.light]
    wanted = sorted(solid or links, key=lambda link: (place[link[0]], -link[1]))
    if not wanted:
        return []
    low, high = (len(wanted) - 1) // 2, len(wanted) // 2
    return [wanted[low]] if low == high else [wanted[low], wanted[high]]


def _free(
    row: list[int], links: dict[int, list[tuple[int, float]]], place: dict[int, int], bends: frozenset[int]
) -> list[tuple[float, float]]:
    """For each node of a row the places of the row before between which it may be aligned: across no long line.

    A bend of a long line may be aligned anywhere, as it is straight before all else.
    """
    spots = [[place[other] for other, _ in links[node] if node in bends and other in bends] for node in row]
    lows = list(accumulate((max(own, default=-inf) for own in spots), max))
    highs = list(accumulate((min(own, default=inf) for own in reversed(spots)), min))[::-1]
    return [(-inf, inf) if own else (low, high) for own, low, high in zip(spots, lows, highs, strict=True)]


def _packed(rows: list[list[int]], root: dict[int, int], shifts: dict[int, float], sizes: Sizes) -> dict[int, float]:
    """The x of each node where all columns stand as far left as they can, then as far right as their right allow."""
    after: dict[int, dict[int, float]] = {column: {} for column in root.values()}
    for row in rows:
        for left, right in pairwise(row):
            a, b = root[left], root[right]
            apart = shifts[left] - shifts[right] + sizes.apart(left, right)
            after[a][b] = max(after[a].get(b, apart), apart)
    order = in_order(after)
    assert len(order) == len(after), "columns that cross"
    xs: dict[int, float] = {}
    before: dict[int, list[tuple[int, float]]] = {column: [] for column in after}
    for a, rights in after.items():
        for b, apart in rights.items():
            before[b].append((a, apart))
    lefts = dict.fromkeys(after, 0.0)
    for node, column in root.items():
        lefts[column] = min(lefts[column], shifts[node] - sizes.widths[node] / 2)
    for column in order:
        xs[column] = max([xs[a] + apart for a, apart in before[column]] or [-lefts[column]])
    for column in reversed(order):
        if after[column]:
            xs[column] = max(xs[column], min(xs[b] - apart for b, apart in after[column].items()))
    return {node: xs[column] + shifts[node] for node, column in root.items()}
