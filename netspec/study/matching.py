"""Matching: which layer of a net is which layer of another, by name and, where names differ, by structure.

Structure is found in three steps. Layers that are computed alike all the way from the inputs, and used alike all the
way to the outputs, are the same. Layers beside such a pair that do the same thing there are the same. What is left is
aligned in the order of the nets: the heaviest common subsequence of layers of a type between the same neighbours.
A matching that begins with the names stands beside one that does not look at names, and the one with less to say wins.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from netspec.study.units import Unit, Units

MOST_CELLS = 1_000_000
"""Most pairs of layers that are compared to align what is left; beyond, only equal names and structure count."""


class Matching:
    """Pairs of layers of two nets: `ahead[i]` is the layer of the second net for layer i of the first, `back` the other
    way; None where there is none.
    """

    def __init__(self, before: Units, after: Units) -> None:
        self.before, self.after = before, after
        self.ahead: list[int | None] = [None] * len(before.units)
        self.back: list[int | None] = [None] * len(after.units)

    def pair(self, one: int, other: int) -> bool:
        """Make a pair of two layers that have none yet. Returns whether they had none."""
        if self.ahead[one] is not None or self.back[other] is not None:
            return False
        self.ahead[one], self.back[other] = other, one
        return True

    @property
    def pairs(self) -> list[tuple[Unit, Unit]]:
        """The pairs, in the order of the first net."""
        return [(self.before.units[i], self.after.units[j]) for i, j in enumerate(self.ahead) if j is not None]

    @property
    def cost(self) -> float:
        """How much there is to say: a layer without a pair, one with other fields, and half for another name."""
        alone = self.ahead.count(None) + self.back.count(None)
        changed = sum(one.meaning != other.meaning for one, other in self.pairs)
        renamed = sum(one.name != other.name for one, other in self.pairs)
        return alone + changed + renamed / 2


def match(before: Units, after: Units) -> Matching:
    """The matching of two nets with the least to say; of two that say as much the one that begins with the names."""
    named = Matching(before, after)
    _by_name(named)
    _by_structure(named)
    if not named.cost:
        return named
    free = Matching(before, after)
    _by_structure(free)
    return free if free.cost < named.cost else named


def _by_name(found: Matching) -> None:
    """Pair layers of one name; of several with it, those of the same phases first."""
    keys: tuple[Callable[[Unit], object], ...] = (
        lambda unit: (unit.name, unit.type, unit.phases),
        lambda unit: (unit.name, unit.type),
        lambda unit: unit.name,
    )
    for key in keys:
        _in_order(found, _grouped(found, key))


def _grouped(found: Matching, key: Callable[[Unit], object]) -> Iterable[tuple[list[int], list[int]]]:
    """The layers without a pair in both nets, in groups of equal keys."""
    groups: dict[object, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, (net, taken) in enumerate(((found.before, found.ahead), (found.after, found.back))):
        for unit in net.units:
            if taken[unit.index] is None:
                groups[key(unit)][side].append(unit.index)
    return groups.values()


def _in_order(found: Matching, groups: Iterable[tuple[list[int], list[int]]]) -> None:
    for ones, others in groups:
        for one, other in zip(ones, others, strict=False):
            found.pair(one, other)


def _by_structure(found: Matching) -> None:
    """Pair the layers without a pair by what they compute, and by what stands around them."""
    seen = _contexts(found.before), _contexts(found.after)
    alike: dict[str, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for side, contexts in enumerate(seen):
        for index, context in enumerate(contexts):
            alike[context][side].append(index)
    _in_order(found, (group for group in alike.values() if len(group[0]) == len(group[1])))
    _spread(found)
    while _align(found):
        _spread(found)


def _contexts(net: Units) -> list[str]:
    """For each layer a digest of all that it is computed from, and of all that is computed from it, without names."""
    below: list[str] = []
    for unit in net.units:
        below.append(_digest(unit.meaning, *(f"{below[maker]}.{slot}" for maker, slot in unit.first_reads)))
    above = [""] * len(net.units)
    for unit in reversed(net.units):
        used = sorted(f"{above[reader]}.{slot}" for reader, slot in net.readers[unit.index])
        above[unit.index] = _digest(unit.meaning, *used)
    return [_digest(*both) for both in zip(below, above, strict=True)]


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def _spread(found: Matching) -> None:
    """Pair the layers beside a pair that have its place there: the same bottom of it, or the same type reading it."""
    waiting = deque((one.index, other.index) for one, other in found.pairs)
    while waiting:
        one, other = waiting.popleft()
        for beside, beyond in _neighbours(found, one, other):
            same = found.before.units[beside].type == found.after.units[beyond].type
            if same and found.pair(beside, beyond):
                waiting.append((beside, beyond))


def _neighbours(found: Matching, one: int, other: int) -> Iterator[tuple[int, int]]:
    """Layers that stand alike beside the layers of a pair: those they read, and those that read them."""
    first, second = found.before.units[one], found.after.units[other]
    if len(first.first_reads) == len(second.first_reads):
        for (maker, slot), (other_maker, other_slot) in zip(first.first_reads, second.first_reads, strict=True):
            if slot == other_slot:
                yield maker, other_maker
    reading: dict[tuple[str, int], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    sides = (found.before, one, found.ahead), (found.after, other, found.back)
    for side, (net, unit, taken) in enumerate(sides):
        for reader, slot in net.readers[unit]:
            if taken[reader] is None:
                reading[net.units[reader].type, slot][side].append(reader)
    for ours, theirs in reading.values():
        if len(ours) == len(theirs):
            yield from zip(ours, theirs, strict=True)


def _align(found: Matching) -> bool:
    """Pair what is left in the order of the nets. Returns whether there was a new pair."""
    ours = [unit for unit in found.before.units if found.ahead[unit.index] is None]
    theirs = [unit for unit in found.after.units if found.back[unit.index] is None]
    if not ours or not theirs or len(ours) * len(theirs) > MOST_CELLS:
        return False
    around = _around(found.before, found.ahead), _around(found.after, range(len(found.after.units)), found.back)

    def weight(one: Unit, other: Unit) -> float:
        if one.type != other.type:
            return 0
        (below, above), (other_below, other_above) = around[0][one.index], around[1][other.index]
        near = (below == other_below) + (above == other_above)
        return near + _likeness(one, other) if near else 0

    new = [found.pair(one.index, other.index) for one, other in _heaviest(ours, theirs, weight)]
    return any(new)


def _likeness(one: Unit, other: Unit) -> float:
    """The share of the terms of both that are equal, from 0 to 1; equal shapes count as a term."""
    keys = {*one.terms, *other.terms}
    equal = [key for key in keys if one.terms.get(key) == other.terms.get(key)]
    return (len(equal) + (one.shapes == other.shapes)) / (len(keys) + 1)


def _around(
    net: Units, number: Sequence[int | None], taken: Sequence[int | None] | None = None
) -> list[tuple[int | None, int | None]]:
    """For each layer the nearest layers with a pair below and above it, by their numbers in the second net.

    `taken` says which layers have a pair, where `number` numbers all.
    """
    own = [None if taken is not None and taken[i] is None else number[i] for i in range(len(net.units))]
    below: list[int | None] = []
    for unit in net.units:
        maker = next(iter(unit.first_reads), None)
        below.append(None if maker is None else below[maker[0]] if own[maker[0]] is None else own[maker[0]])
    above: list[int | None] = [None] * len(net.units)
    for unit in reversed(net.units):
        reader = next(iter(net.readers[unit.index]), None)
        if reader is not None:
            above[unit.index] = above[reader[0]] if own[reader[0]] is None else own[reader[0]]
    return list(zip(below, above, strict=True))


def _heaviest(
    ones: Sequence[Unit], others: Sequence[Unit], weight: Callable[[Unit, Unit], float]
) -> list[tuple[Unit, Unit]]:
    """The common subsequence of the greatest weight."""
    best = [[0.0] * (len(others) + 1) for _ in range(len(ones) + 1)]
    held = [[weight(one, other) for other in others] for one in ones]
    for i in range(len(ones) - 1, -1, -1):
        row, under, weights = best[i], best[i + 1], held[i]
        for j in range(len(others) - 1, -1, -1):
            row[j] = max(under[j], row[j + 1], weights[j] + under[j + 1] if weights[j] else 0.0)
    found, i, j = [], 0, 0
    while i < len(ones) and j < len(others):
        if held[i][j] and best[i][j] == held[i][j] + best[i + 1][j + 1]:
            found.append((ones[i], others[j]))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return found
