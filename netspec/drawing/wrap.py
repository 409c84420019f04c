"""Wrap: long groups of a tree cut into columns, so that a drawing has about the shape of a page.

A cut lies where at most one blob runs from above to below. Columns are as few as the height allows, and then as equal
as can be.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from netspec.drawing.boxes import Block, Key, Wire
from netspec.drawing.nested import Laid, Layouts
from netspec.drawing.tree import Child, Group, Hop, Port, Routes, routes


def wrapped(root: Group, wires: Sequence[Wire], layouts: Layouts, height: float) -> Group:
    """The tree with columns in all groups that would be higher than `height`, from the innermost on."""
    for depth in range(_depth(root), -1, -1):
        root = _Cutting(routes(root, wires), layouts, height).at(root, depth, ())
    return root


def _depth(group: Group) -> int:
    return 1 + max((_depth(child) for child in group.children if isinstance(child, Group)), default=-1)


@dataclass(frozen=True)
class _Cutting:
    """The work on the groups at one depth of a tree."""

    routes: Routes
    layouts: Layouts
    height: float

    def at(self, group: Group, depth: int, base: Block) -> Group:
        """The group with all groups so deep below it cut into columns; `base` is the block around it."""
        if group.columns:
            return group
        if depth == 0:
            laid = self.layouts.laid(group, self.routes, base)
            columns = _columns(laid, self.routes.hops.get(group, ()), self.height)
            made = self.layouts.group
            return group if len(columns) < 2 else made(group.path, tuple(made(None, c) for c in columns), True)
        within = group.path if group.path is not None else base
        children = tuple(self.at(c, depth - 1, within) if isinstance(c, Group) else c for c in group.children)
        same = all(a is b for a, b in zip(children, group.children, strict=True))
        return group if same else self.layouts.group(group.path, children)


def _columns(laid: Laid, hops: Sequence[Hop], height: float) -> list[tuple[Child, ...]]:
    """The children in columns, each at most so high where there are cuts enough."""
    if laid.height <= height or not laid.ranks:
        return [tuple(laid.ranks)]
    first, last = min(laid.ranks.values()), max(laid.ranks.values())
    starts = [first, *(rank for rank in _cuts(laid, hops) if first < rank <= last), last + 1]
    pieces = [(start, end, laid.rows[end - 1][1] - laid.rows[start][0]) for start, end in pairwise(starts)]
    fewest = len(_filled(pieces, height))
    low, high = max(tall for _, _, tall in pieces), max(height, laid.height)
    while high - low > 1:
        middle = (low + high) / 2
        low, high = (low, middle) if len(_filled(pieces, middle)) <= fewest else (middle, high)
    filled = _filled(pieces, high)
    return [tuple(child for child, rank in laid.ranks.items() if start <= rank < end) for start, end in filled]


def _cuts(laid: Laid, hops: Sequence[Hop]) -> Iterator[int]:
    """The ranks that may begin another column."""
    bottom = len(laid.rows)

    def at(end: Child | Port) -> int:
        return (bottom if end.leaves else -1) if isinstance(end, Port) else laid.ranks[end]

    ends: dict[Key, tuple[int, int]] = {}
    """Each blob's rank, and the last rank that reads it."""
    for hop in hops:
        start, last = ends.get(hop.key, (at(hop.source), -1))
        ends[hop.key] = start, max(last, at(hop.target))
    begun = Counter(start for start, _ in ends.values())
    ended = Counter(last for _, last in ends.values())
    crossing = begun[-1]
    for rank in range(bottom):
        if crossing <= 1:
            yield rank
        crossing += begun[rank] - ended[rank]


def _filled(pieces: Sequence[tuple[int, int, float]], height: float) -> list[tuple[int, int]]:
    """The pieces in columns, filled one after the other: the first rank of each, and that of the next."""
    columns: list[tuple[int, int]] = []
    used = 0.0
    for start, end, tall in pieces:
        if columns and used + tall <= height:
            columns[-1] = (columns[-1][0], end)
            used += tall
        else:
            columns.append((start, end))
            used = tall
    return columns
