"""Fewer points that draw the same line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from netspec.core.points import thinned


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=3000), st.integers(1, 50))
def test_thinning_keeps_the_ends_and_the_extremes(ys: list[float], columns: int) -> None:
    points = list(enumerate(ys))
    kept = thinned(points, columns)
    assert len(kept) <= 4 * columns or kept == points
    assert set(kept) <= set(points) and [x for x, _ in kept] == sorted(x for x, _ in kept)
    assert kept[0] == points[0] and kept[-1] == points[-1]
    assert {f(y for _, y in kept) for f in (min, max)} == {min(ys), max(ys)}
