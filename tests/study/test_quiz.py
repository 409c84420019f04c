"""Blanks of a trace, and what is said of answers."""

from __future__ import annotations

import pytest

from netspec.study.quiz import blanks, computed, judged
from netspec.study.traced import Batch, Group, Iteration, Line, Trace

LINES = tuple(Line("y", (i,), f"1 + {i}", 1.0 + i) for i in range(9))
TRACE = Trace("net", None, (), (Iteration((Batch((Group("y", LINES[:5]),), (Group("y", LINES[5:]),)),)),))


def test_blanks_are_spread_over_all_that_is_computed() -> None:
    assert [*computed(TRACE)] == [*LINES]
    assert blanks(TRACE, 20) == [*LINES]
    assert [line.at for line in blanks(TRACE, 3)] == [(1,), (4,), (7,)]


@pytest.mark.parametrize("answer", ["0.375", ".375", "3/8", " +0.3751 ", "3.75e-1", "0,375"])
def test_right_answers(answer: str) -> None:
    assert judged(Line("y", (), "", 0.375), answer).right


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ("-.375", "the size is right, the sign is not"),
        (".5", "too large"),
        ("-3", "too small"),
        ("many", "'many' is no number"),
        ("1/0", "'1/0' is no number"),
        ("1e999", "'1e999' is no number"),
        ("nan", "'nan' is no number"),
    ],
)
def test_wrong_answers(answer: str, hint: str) -> None:
    assert judged(Line("y", (), "", 0.375), answer).hint == hint


def test_a_zero_needs_no_digits() -> None:
    assert judged(Line("y", (), "", 0.0), "0").right and not judged(Line("y", (), "", 0.0), ".001").right
