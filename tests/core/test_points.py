"""Fewer points that draw the same line."""

from __future__ import annotations

from math import isfinite, nan

from hypothesis import given
from hypothesis import strategies as st

from netspec.core.points import thinned


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=3000), st.integers(1, 50))
def test_thinning_keeps_the_ends_and_the_extremes(ys: list[float], columns: int) -> None:
    points = list(enumerate(ys))
    kept = thinned(points, columns)
    assert len(kept) <= 5 * columns or kept == points
    assert set(kept) <= set(points) and [x for x, _ in kept] == sorted(x for x, _ in kept)
    assert kept[0] == points[0] and kept[-1] == points[-1]
    assert {f(y for _, y in kept) for f in (min, max)} == {min(ys), max(ys)}


def test_a_gap_stays_and_hides_no_extreme() -> None:
    points = [(float(x), 0.0) for x in range(1000)]
    points[500] = (500, nan)
    points[501], points[502] = (501, 7.0), (502, -7.0)
    kept = thinned(points, 10)
    assert len(kept) <= 50 and {y for _, y in kept if isfinite(y)} == {0.0, 7.0, -7.0}
    assert [x for x, y in kept if not isfinite(y)] == [500]
