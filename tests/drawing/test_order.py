from __future__ import annotations

import random
from itertools import combinations, pairwise, permutations, product

import pytest

from netspec.drawing import order
from netspec.drawing.order import Segment, crossings, ordered


def counted(ranks: list[list[int]], pairs: list[tuple[int, int]]) -> int:
    """Crossings by looking at every pair of lines."""
    place = {node: at for rank in ranks for at, node in enumerate(rank)}
    rank_of = {node: number for number, rank in enumerate(ranks) for node in rank}
    return sum(
        (place[a] - place[c]) * (place[b] - place[d]) < 0
        for (a, b), (c, d) in combinations(pairs, 2)
        if rank_of[a] == rank_of[c]
    )


def level(seed: int, wide: int, ranks: int) -> tuple[list[list[int]], list[tuple[int, int]]]:
    """Ranks of up to `wide` nodes, and lines between neighbouring ranks."""
    draw = random.Random(seed)
    rows: list[list[int]] = []
    for _ in range(ranks):
        first = sum(map(len, rows))
        rows.append(list(range(first, first + draw.randint(2, wide))))
    pairs = []
    for above, below in pairwise(rows):
        every = list(product(above, below))
        pairs += draw.sample(every, min(len(every), draw.randint(2, len(above) + len(below))))
    return rows, sorted(pairs)


def best(rows: list[list[int]], pairs: list[tuple[int, int]]) -> int:
    return min(counted(list(map(list, orders)), pairs) for orders in product(*map(permutations, rows)))


@pytest.mark.parametrize("seed", range(20))
def test_crossings_are_counted_as_pairs_that_change_sides(seed: int) -> None:
    rows, pairs = level(seed, 6, 4)
    assert crossings(rows, [Segment(a, b) for a, b in pairs]) == counted(rows, pairs)


@pytest.mark.parametrize("seed", range(12))
def test_few_orders_are_all_tried(seed: int) -> None:
    rows, pairs = level(seed, 4, 3)
    found = ordered(rows, [Segment(a, b) for a, b in pairs])
    assert sorted(map(sorted, found)) == sorted(map(sorted, rows))
    assert counted(found, pairs) == best(rows, pairs)


def test_sweeps_and_swaps_find_the_fewest_crossings_or_nearly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "FEW", 0)
    more = 0
    for seed in range(60):
        rows, pairs = level(seed, 4, 3)
        found = counted(ordered(rows, [Segment(a, b) for a, b in pairs]), pairs)
        more += found - best(rows, pairs)
    assert more <= 6  # in 60 nets together


def test_lines_that_enter_where_they_like_do_not_cross_at_their_end_but_ports_do() -> None:
    rows = [[0, 1], [2]]
    assert crossings(rows, [Segment(0, 2), Segment(1, 2)]) == 0
    assert crossings(rows, [Segment(0, 2, into=5.0), Segment(1, 2, into=-5.0)]) == 1
    assert ordered(rows, [Segment(0, 2, into=5.0), Segment(1, 2, into=-5.0)]) == [[1, 0], [2]]


def test_an_order_without_crossings_is_left_as_it_is() -> None:
    rows = [[0], [3, 1, 2], [4]]
    pairs = [Segment(0, n) for n in (3, 1, 2)] + [Segment(n, 4) for n in (3, 1, 2)]
    assert ordered(rows, pairs) == rows
