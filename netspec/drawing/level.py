"""Level: the pieces of one group, ranked, ordered and placed, with the lines between them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from netspec.drawing.boxes import Key
from netspec.drawing.figures import Point
from netspec.drawing.order import Ranks, Segment, ordered
from netspec.drawing.place import Sizes, placed
from netspec.drawing.ranks import ranks

_GAP, _BEND_GAP = 14.0, 10.0
_SHORT, _LONGEST = 14.0, 60.0
"""Space between ranks: where all lines are straight, and at most."""
_SPREAD = 16.0
"""Space between lines that enter a box side by side."""


@dataclass(frozen=True)
class Piece:
    """A thing that is laid out, with its size; `foot` is the height of what hangs below it: the tags of its tops.

    `outs` and `ins` say at which x blobs leave and enter, from the middle; without `ins` they enter where it suits.
    A piece in `role` "in" or "out" is a way into the group or out of it. No box makes way for a `light` one. All lines
    enter a `round` one at its middle.
    """

    width: float
    height: float
    outs: Mapping[Key, float] = field(default_factory=dict)
    ins: Mapping[Key, float] | None = None
    foot: float = 0.0
    role: str = ""
    light: bool = False
    round: bool = False


@dataclass(frozen=True)
class Run:
    """A blob from one piece to another, both by number."""

    source: int
    target: int
    key: Key


@dataclass(frozen=True)
class Placed:
    """A level laid out: the middle x and upper y of each piece, the points of each run, the size of the whole.

    `ranks` holds the rank of each piece, `rows` the upper and lower y of each rank.
    """

    middles: tuple[float, ...]
    tops: tuple[float, ...]
    points: Mapping[Run, tuple[Point, ...]]
    width: float
    height: float
    ranks: tuple[int, ...]
    rows: tuple[tuple[float, float], ...]


def lay_out(pieces: Sequence[Piece], runs: Sequence[Run]) -> Placed:
    """The pieces in ranks; runs stand in the order in which their targets read them."""
    return _Level(pieces, runs).placed()


class _Level:
    """The work on one level. Nodes below `len(pieces)` are pieces, the others bends of long lines."""

    def __init__(self, pieces: Sequence[Piece], runs: Sequence[Run]) -> None:
        self.pieces, self.runs = pieces, runs
        first, last = ({n for n, piece in enumerate(pieces) if piece.role == role} for role in ("in", "out"))
        pairs = [(run.source, run.target) for run in runs]
        self.rank = ranks(len(pieces), pairs, first, last, self._lower())
        self.chains: dict[tuple[int, Key], list[int]] = {}
        """For each blob of a piece, the bends of its long line, from the rank below the piece on."""
        for run in runs:
            chain = self.chains.setdefault((run.source, run.key), [])
            while self.rank[run.source] + len(chain) + 1 < self.rank[run.target]:
                chain.append(len(self.rank))
                self.rank.append(self.rank[run.source] + len(chain))
        self.segments = self._segments()
        self.light = self._detours() | self._aside() | {n for n, piece in enumerate(pieces) if piece.light}

    def _lower(self) -> dict[int, int]:
        """Ranks that pieces stand lower: where several that have labels beside them read one blob, two fit in a rank.

        With a third between them, the line of its labels would cross another.
        """
        labelled = {run.target for run in self.runs if self.pieces[run.source].light}
        readers: dict[tuple[int, Key], list[int]] = {}
        for run in self.runs:
            if run.target in labelled and not self.pieces[run.source].light:
                readers.setdefault((run.source, run.key), []).append(run.target)
        return {target: n // 2 for targets in readers.values() for n, target in enumerate(targets) if n > 1}

    def _segments(self) -> list[Segment]:
        """The segments of all runs; those that runs have in common once."""
        found: dict[Segment, None] = {}
        for run in self.runs:
            way = self._way(run)
            target = self.pieces[run.target]
            into = target.ins[run.key] if target.ins is not None else None
            out = self.pieces[run.source].outs.get(run.key, 0.0)
            for a, b in pairwise(way):
                found[Segment(a, b, out, into if b == run.target else 0.0)] = None
                out = 0.0
        return list(found)

    def _way(self, run: Run) -> list[int]:
        """The nodes of a run."""
        length = self.rank[run.target] - self.rank[run.source] - 1
        return [run.source, *self.chains[run.source, run.key][:length], run.target]

    def placed(self) -> Placed:
        rows = ordered(self._start(), self.segments)
        segments = self._entered(rows)
        self.into = {(s.source, s.target, s.out): s.into or 0.0 for s in segments}
        number = len(self.pieces)
        bends = frozenset(range(number, len(self.rank)))
        widths = [piece.width for piece in self.pieces] + [2.0] * len(bends)
        gaps = [_GAP] * number + [_BEND_GAP] * len(bends)
        xs = placed(rows, segments, Sizes(widths, gaps, bends, self.light))
        tops, bottoms = self._heights(rows, segments, xs)
        points = {run: self._points(run, xs, tops, bottoms) for run in self.runs}
        middles = tuple(xs[n] for n in range(number))
        width = max((xs[n] + widths[n] / 2 for n in xs), default=0.0)
        places = tuple(tops[self.rank[n]] for n in range(number))
        height, numbers = bottoms[-1] if bottoms else 0.0, tuple(self.rank[:number])
        return Placed(middles, places, points, width, height, numbers, tuple(zip(tops, bottoms, strict=True)))

    def _detours(self) -> frozenset[int]:
        """The bends of long lines of blobs that other pieces read too: shortcuts, beside which the way goes on."""
        readers = Counter((run.source, run.key) for run in self.runs)
        return frozenset(bend for start, chain in self.chains.items() if readers[start] > 1 for bend in chain)

    def _aside(self) -> frozenset[int]:
        """The pieces from which no way leads to the last rank: side branches that end early."""
        last = max(self.rank, default=0)
        main = {n for n in range(len(self.pieces)) if self.rank[n] == last}
        for run in sorted(self.runs, key=lambda run: -self.rank[run.source]):
            if run.target in main:
                main.add(run.source)
        return frozenset(range(len(self.pieces))) - main

    def _start(self) -> Ranks:
        """The order to begin with: as a walk up from the last pieces meets them, bottoms from left to right."""
        ups: dict[int, list[int]] = {node: [] for node in range(len(self.rank))}
        for run in self.runs:
            way = self._way(run)
            for a, b in pairwise(way):
                ups[b].append(a)
        read = {run.source for run in self.runs}
        ends = [n for n in range(len(self.pieces)) if n not in read]
        ends.sort(key=lambda n: (self.pieces[n].role != "out", n))
        rows: Ranks = [[] for _ in range(1 + max(self.rank, default=-1))]
        met: set[int] = set()
        for end in ends:
            waiting = [end]
            while waiting:
                node = waiting.pop()
                if node not in met:
                    met.add(node)
                    rows[self.rank[node]].append(node)
                    waiting += reversed(ups[node])
        return rows

    def _entered(self, rows: Ranks) -> list[Segment]:
        """The segments with the x at which each enters: those of one box side by side, in the order they come in."""
        place = {node: at for row in rows for at, node in enumerate(row)}
        coming: dict[int, list[Segment]] = {}
        for segment in self.segments:
            coming.setdefault(segment.target, []).append(segment)
        found: list[Segment] = []
        for target, segments in coming.items():
            free = [s for s in segments if s.into is None]
            found += [s for s in segments if s.into is not None]
            free.sort(key=lambda s: (place[s.source], s.out))
            if target < len(self.pieces) and not self.pieces[target].round:
                room = self.pieces[target].width - 12
                offsets = self._side_by_side(free, room)
            else:
                offsets = [0.0] * len(free)
            found += [Segment(s.source, s.target, s.out, x) for s, x in zip(free, offsets, strict=True)]
        return found

    def _side_by_side(self, segments: list[Segment], room: float) -> list[float]:
        """The x of lines into a box, from its middle: the only one that comes from a box has the middle itself."""
        count = len(segments)
        main = [n for n, s in enumerate(segments) if s.source not in self.light]
        middle = main[0] if len(main) == 1 else (count - 1) / 2
        step = min(_SPREAD, room / (2 * max(middle, count - 1 - middle, 0.5)))
        return [(n - middle) * step for n in range(count)]

    def _heights(
        self, rows: Ranks, segments: Sequence[Segment], xs: Mapping[int, float]
    ) -> tuple[list[float], list[float]]:
        """The upper and lower y of each rank; lines that run far to the side get more space."""
        far = [0.0] * len(rows)
        for s in segments:
            rank = self.rank[s.source]
            far[rank] = max(far[rank], abs(xs[s.source] + s.out - xs[s.target] - (s.into or 0.0)))
        tops, bottoms, y = [], [], 0.0
        for rank, row in enumerate(rows):
            tops.append(y)
            y += max((self.pieces[n].height + self.pieces[n].foot for n in row if n < len(self.pieces)), default=0.0)
            bottoms.append(y)
            narrow = self._only_ports(row) or (rank + 1 < len(rows) and self._only_ports(rows[rank + 1]))
            least = _SHORT / 2 if narrow else _SHORT
            y += min(_LONGEST, least + (10 + far[rank] * 0.1 if far[rank] > 1 else 0)) if rank + 1 < len(rows) else 0
        return tops, bottoms

    def _only_ports(self, row: Sequence[int]) -> bool:
        return all(n < len(self.pieces) and self.pieces[n].role for n in row)

    def _points(
        self, run: Run, xs: Mapping[int, float], tops: Sequence[float], bottoms: Sequence[float]
    ) -> tuple[Point, ...]:
        """The points of a run: straight down past every rank, and across between ranks."""
        way = self._way(run)
        piece, out = self.pieces[run.source], self.pieces[run.source].outs.get(run.key, 0.0)
        x = xs[run.source] + out
        found = [(x, tops[self.rank[run.source]] + piece.height)]
        for a, b in pairwise(way):
            found.append((x, bottoms[self.rank[a]]))
            x, out = xs[b] + self.into[a, b, out], 0.0
            found.append((x, tops[self.rank[b]]))
        return tuple(without_twins(found))


def without_twins(points: Sequence[Point]) -> list[Point]:
    """The points without repeats."""
    found: list[Point] = []
    for point in points:
        if not found or abs(found[-1][0] - point[0]) > 0.01 or abs(found[-1][1] - point[1]) > 0.01:
            found.append(point)
    return found
