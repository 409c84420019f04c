from __future__ import annotations

import random
from itertools import pairwise

import pytest

from netspec.drawing.level import Piece, Run, lay_out
from netspec.drawing.order import Segment
from netspec.drawing.place import Sizes, placed
from netspec.drawing.ranks import ranks


def test_ranks_are_longest_ways() -> None:
    #  0 -> 1 -> 2 -> 4, 0 -> 4, 3 -> 4
    pairs = [(0, 1), (1, 2), (2, 4), (0, 4), (3, 4)]
    assert ranks(5, pairs) == [0, 1, 2, 2, 3]  # 3 reads nothing: it stands right above its reader
    assert ranks(6, [*pairs, (5, 0)], first={5}) == [1, 2, 3, 3, 4, 0]
    assert ranks(6, [*pairs, (1, 5)], last={5}) == [0, 1, 2, 2, 3, 4]
    assert ranks(5, pairs, lower={2: 2}) == [0, 1, 4, 4, 5]


def sizes(widths: list[float], bends: frozenset[int] = frozenset()) -> Sizes:
    return Sizes(widths, [10.0] * len(widths), bends, bends)


def test_a_chain_is_straight_whatever_its_widths() -> None:
    segments = [Segment(0, 1, 0.0, 0.0), Segment(1, 2, 0.0, 0.0)]
    xs = placed([[0], [1], [2]], segments, sizes([40, 100, 60]))
    assert xs == {0: 50, 1: 50, 2: 50}


def test_a_node_stands_amid_what_it_reads() -> None:
    rows = [[0], [1, 2, 3, 4], [5]]
    segments = [Segment(0, n, 0.0, 0.0) for n in rows[1]] + [Segment(n, 5, 0.0, 0.0) for n in rows[1]]
    xs = placed(rows, segments, sizes([30, 50, 50, 50, 50, 30]))
    assert [xs[n] for n in rows[1]] == [25, 85, 145, 205]
    assert xs[0] == xs[5] == 115


def test_ports_are_aligned_not_middles() -> None:
    xs = placed([[0], [1]], [Segment(0, 1, 20.0, -5.0)], sizes([60, 60]))
    assert xs[1] - xs[0] == 25


@pytest.mark.parametrize("seed", range(30))
def test_pieces_of_a_rank_never_overlap_and_long_lines_are_straight(seed: int) -> None:
    draw = random.Random(seed)
    count = draw.randint(4, 25)
    pieces = [Piece(draw.uniform(20, 120), draw.uniform(20, 60), {n: draw.uniform(-8, 8)}) for n in range(count)]
    runs = [
        Run(source, target, source)
        for target in range(1, count)
        for source in sorted(draw.sample(range(max(0, target - 6), target), min(target, draw.randint(1, 3))))
    ]
    found = lay_out(pieces, runs)
    for rank in set(found.ranks):
        row = sorted((found.middles[n], pieces[n].width) for n in range(count) if found.ranks[n] == rank)
        for (x, w), (x2, w2) in pairwise(row):
            assert x2 - x >= (w + w2) / 2 + 13.99
    for run, points in found.points.items():
        assert all(b[1] >= a[1] for a, b in pairwise(points)), run
        # past the ranks between its ends a line is straight
        passed = found.ranks[run.target] - found.ranks[run.source] - 1
        inner = {round(x, 6) for x, y in points if any(top <= y <= low for top, low in found.rows[1:-1])}
        assert passed == 0 or len(inner) <= 2 + passed
