"""Charts in characters: their size, their ticks, and that no peak is lost."""

from __future__ import annotations

from itertools import pairwise
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netspec.views.charts import chart, line_chart, ticks

BRAILLE = {chr(code) for code in range(0x2801, 0x2900)}


@pytest.mark.parametrize(("width", "height"), [(40, 10), (80, 14), (130, 9)])
def test_a_chart_has_the_size_that_is_asked_for(width: int, height: int) -> None:
    lines = line_chart([(x, x * x) for x in range(500)], width, height).splitlines()
    assert len(lines) == height and max(map(len, lines)) == width
    assert "\x1b" not in "".join(lines)
    assert all(BRAILLE & set(line) for line in lines[1:-2])  # the line climbs through every row
    assert lines[-1].split()[0] == "0"


def test_a_line_falls_from_left_to_right() -> None:
    lines = line_chart([(0, 4.0), (10, 0.0)], 40, 10).splitlines()
    columns = [min(line.index(mark) for mark in line if mark in BRAILLE) for line in lines[1:-2]]
    assert columns == sorted(columns) and columns[0] < 8 and columns[-1] > 30


def test_what_cannot_be_drawn_is_left_out() -> None:
    assert line_chart([], 40, 10) == line_chart([(0, nan), (1, inf)], 40, 10) == ""
    assert line_chart([(0, 1.0), (1, inf)], 40, 10) == line_chart([(0, 1.0)], 40, 10)
    for points in ([(0, 0.0)], [(0, 0.0), (1, 0.0)], [(3, 1e-300), (4, 1e-300)], [(0, -1.0), (1, -2.0)]):
        assert BRAILLE & set(line_chart(points, 40, 10))


def test_ticks_are_round_numbers() -> None:
    assert ticks(0, 9999, 6) == [0, 2000, 4000, 6000, 8000]
    assert ticks(0, 0.1, 4) == pytest.approx([0, 0.05, 0.1])
    assert ticks(-3, 7, 3) == [0, 5]
    assert ticks(4, 4, 3) == [4]


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(1, 20))
def test_ticks_lie_within(low: float, length: float, most: int) -> None:
    found = ticks(low, low + length, most)
    assert len(found) <= most + 1
    assert all(low - 1e-6 * length <= tick <= low + length * (1 + 1e-6) for tick in found)


def test_lines_of_several_characters_share_their_axes() -> None:
    low, high = [(0, 0.0), (10, 0.0)], [(0, 8.0), (10, 8.0), (20, 8.0)]
    rows = chart([(low, "a"), (high, "b"), ([], "c")], 60, 9).splitlines()
    assert [letter for row in rows for letter in "abc" if letter in row] == ["b", "a"]
    above, below = (next(row for row in rows if letter in row) for letter in "ba")
    assert above.count("b") > 1.8 * below.count("a") and "20" in rows[-1]
    assert rows.index(above) == 1 and rows.index(below) == len(rows) - 3


def test_a_logarithmic_axis_has_round_numbers_at_logarithmic_places() -> None:
    rows = chart([([(1, 1e-4), (100, 1.0)], "o")], 60, 21, "{:g}".format, log_x=True, log_y=True).splitlines()
    marks = {row.split("┤")[0].strip(): i for i, row in enumerate(rows) if "┤" in row}
    assert [*marks] == ["1", "0.1", "0.01", "0.001", "0.0001"]
    steps = [below - above for above, below in pairwise(marks.values())]
    assert max(steps) - min(steps) <= 1
    assert {"1", "10", "100"} <= {*rows[-1].split()}
    ends = [max(i for i, c in enumerate(row) if c == "o") for row in rows if "o" in row]
    assert ends == sorted(ends, reverse=True)  # a straight line on both axes
    narrow = chart([([(0, 2.0), (9, 4.5)], "o")], 40, 10, "{:g}".format, log_y=True)
    assert sum("┤" in row for row in narrow.splitlines()) >= 2
