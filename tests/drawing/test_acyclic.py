from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netspec.drawing.acyclic import in_order

PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=14)


def lines(pairs: list[tuple[int, int]]) -> dict[int, list[int]]:
    return {node: [target for source, target in pairs if source == node] for node in range(7)}


@given(PAIRS)
def test_every_line_runs_forwards(pairs: list[tuple[int, int]]) -> None:
    after = lines([(min(pair), max(pair)) for pair in pairs if pair[0] != pair[1]])
    order = in_order(after)
    assert sorted(order) == list(range(7))
    assert all(order.index(source) < order.index(target) for source in after for target in after[source])


@given(PAIRS, st.permutations(range(7)), st.integers(1, 6))
def test_a_circle_is_left_out(pairs: list[tuple[int, int]], nodes: list[int], length: int) -> None:
    circle = nodes[: length + 1]
    found = in_order(lines([*pairs, *zip(circle, [*circle[1:], circle[0]], strict=True)]))
    assert not set(circle) & set(found)
